import { describe, expect, test } from "vitest";
import { encode } from "../../../src/shared/federated/encode.ts";
import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import { addGramRow } from "../../../src/shared/federated/gram-row.ts";
import { makeRow } from "../../../src/shared/federated/make-row.ts";
import { makeOptimiser } from "../../../src/shared/federated/optimisers/registry.ts";
import { fromBase, type CoefficientRule, type Gram } from "../../../src/shared/federated/rules/rule.ts";
import { CONTEXT, facts } from "./support.ts";

/** Multi-Krum, as a later rule would be written: the `selected` updates nearest to their n - f - 2 neighbours, averaged. */
function krum(f: number, selected: number): CoefficientRule {
	return {
		door: "coefficients",
		needs: { gram: true },
		coefficients(updates, _, gram) {
			const { n, products } = gram!;
			const at = (i: number, j: number) => products[i * n + j]!;
			const scores = updates.map((_, i) => {
				const others = updates.map((_, j) => at(i, i) + at(j, j) - 2 * at(i, j)).filter((_, j) => j !== i);
				return others
					.sort((a, b) => a - b)
					.slice(0, Math.max(1, n - f - 2))
					.reduce((sum, d) => sum + d, 0);
			});
			const order = updates.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]! || a - b);
			const chosen = new Set(order.slice(0, selected).map((i) => updates[i]!.id));
			return fromBase(updates, ({ id }) => (chosen.has(id) ? 1 / selected : 0));
		},
	};
}

function rowsOf(drawn: readonly Float32Array[], encodings: readonly Encoding[]) {
	return drawn.map((values, i) => {
		const encoding = encodings[i % encodings.length]!;
		const bytes = encode(encoding, values);
		return { encoding, read: (begin: number, end: number) => bytes.subarray(begin, end) };
	});
}

function gramOf(updates: ReturnType<typeof rowsOf>, lengths: readonly number[]): Gram {
	const n = updates.length;
	const products = new Float64Array(n * n);
	for (const length of lengths) addGramRow(products, updates, length);
	return { n, products };
}

/** Origin: unit tests of Flower (flwrlabs/flower at commit fdef7afb1dca, Apache-2.0), as in flower-unit-literals.json. */
describe("a rule that sees the Gram matrix of the updates alone", () => {
	test.each([
		["Krum, where two tie", [0.2, 0.7, 1], 1, 0.7],
		["Multi-Krum", [0.2, 0.5, 1], 2, 0.35],
	])("%s", (_, clients, selected, expected) => {
		const length = 20_000;
		const updates = rowsOf(
			clients.map((value) => new Float32Array(length).fill(value)),
			["f32"],
		);
		const known = clients.map((_, i) => facts({ id: `up_1_${i}` }));
		const { updates: coefficients } = krum(1, selected).coefficients(known, CONTEXT, gramOf(updates, [length]));
		const model = new Float32Array(length);
		const summed = updates.map((update, i) => ({ ...update, coefficient: coefficients[i]! }));
		const optimiser = makeOptimiser({ name: "sgd", learning_rate: 1, momentum: 0 });
		const inputs = { updates: summed, bases: [], model, state: [], step: 1 };
		expect(makeRow(krum(1, selected), optimiser, inputs, new Float64Array(length))).toBe(true);
		expect(model.every((value) => Math.abs(value - expected) < 1e-7)).toBe(true);
	});
});

test("inner products are those of the decoded values, over pieces and encodings", () => {
	const length = 40_000;
	const drawn = [1, 2, 3].map((seed) => Float32Array.from({ length }, (_, i) => ((i * seed * 31) % 101) - 50));
	const { products } = gramOf(rowsOf(drawn, ["f32", "f16", "bf16"]), [length]);
	for (const [i, a] of drawn.entries()) {
		// Whole numbers under 256: all encodings hold them, and no sum is rounded.
		for (const [j, b] of drawn.entries()) {
			expect(products[i * 3 + j]).toBe(a.reduce((sum, value, k) => sum + value * b[k]!, 0));
		}
	}
});
