import { describe, expect, test } from "vitest";
import { encode } from "../../../src/shared/federated/encode.ts";
import type { Encoding } from "../../../src/shared/federated/encoding.ts";
import { addGramRow } from "../../../src/shared/federated/gram-row.ts";
import { makeRow } from "../../../src/shared/federated/make-row.ts";
import { makeOptimiser } from "../../../src/shared/federated/optimisers/registry.ts";
import type { Gram } from "../../../src/shared/federated/rules/rule.ts";
import { CONTEXT, coefficientRule, facts } from "./support.ts";

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
describe("Multi-Krum, from the Gram matrix of the updates", () => {
	test.each([
		["of one, where two tie", [0.2, 0.7, 1], 1, 0.7],
		["of two", [0.2, 0.5, 1], 2, 0.35],
	])("%s", (_, clients, m, expected) => {
		const length = 20_000;
		const updates = rowsOf(
			clients.map((value) => new Float32Array(length).fill(value)),
			["f32"],
		);
		const rule = coefficientRule({ name: "multikrum", f: 1, m });
		const known = clients.map((_, i) => facts({ id: `up_1_${i}`, weight: 5 }));
		const { updates: coefficients } = rule.coefficients(known, CONTEXT, gramOf(updates, [length]));
		const model = new Float32Array(length);
		const summed = updates.map((update, i) => ({ ...update, coefficient: coefficients[i]! }));
		const optimiser = makeOptimiser({ name: "sgd", learning_rate: 1, momentum: 0 });
		const inputs = { updates: summed, bases: [], model, state: [], step: 1 };
		expect(makeRow(rule, optimiser, inputs, new Float64Array(length))).toBe(true);
		expect(model.every((value) => Math.abs(value - expected) < 1e-7)).toBe(true);
	});

	test("weighs those that it selects by their examples, and no other", () => {
		const rule = coefficientRule({ name: "multikrum", f: 1, m: 3 });
		const values = [0, 100, 1, 2, 1.5].map((value) => Float32Array.of(value));
		const known = [1, 1e6, 2, 4, 2].map((weight, i) => facts({ id: `up_1_${i}`, weight }));
		const { updates } = rule.coefficients(known, CONTEXT, gramOf(rowsOf(values, ["f32"]), [1]));
		expect([...updates]).toEqual([0, 0, 0.25, 0.5, 0.25]);
	});

	test("updates that are equal tie, and the lowest id is taken, whatever rounding makes of their distances", () => {
		const rule = coefficientRule({ name: "multikrum", f: 0, m: 1 });
		const equal = Float32Array.from({ length: 10_000 }, (_, i) => Math.sin(i) * 1e3);
		const known = [0, 1, 2].map((i) => facts({ id: `up_1_${i}` }));
		const gram = gramOf(rowsOf([equal, equal, equal], ["f32"]), [10_000]);
		expect([...rule.coefficients(known, CONTEXT, gram).updates]).toEqual([1, 0, 0]);
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
