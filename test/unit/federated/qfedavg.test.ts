import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { UpdateFacts } from "../../../src/shared/federated/rules/rule.ts";
import { coefficientRule, CONTEXT, facts, worstError } from "./support.ts";

const updates = fc
	.array(
		fc.record({
			loss: fc.double({ min: 0.01, max: 50, noNaN: true }),
			squaredNorm: fc.double({ min: 0, max: 1e6, noNaN: true }),
		}),
		{ minLength: 1, maxLength: 9 },
	)
	.map((drawn) => drawn.map((update, i) => facts({ id: `up_1_${i}`, ...update })));

function coefficients(parameters: object, given: readonly UpdateFacts[]): Float64Array {
	const rule = coefficientRule({ name: "qfedavg", client_learning_rate: 0.5, ...parameters });
	return rule.coefficients(given, CONTEXT, null).updates;
}

test("with q = 0 all count the same", () => {
	fc.assert(
		fc.property(updates, (given) => {
			expect(
				worstError(
					coefficients({ q: 0 }, given),
					given.map(() => 1 / given.length),
				),
			).toBeLessThan(1e-12);
		}),
	);
});

/** By the steps of the paper's algorithm 2: Delta_k = F_k^q L (x - x_k), h_k = q F_k^(q-1) |L (x - x_k)|^2 + L F_k^q. */
test("the step is sum Delta over sum h", () => {
	fc.assert(
		fc.property(updates, fc.double({ min: 0.1, max: 3, noNaN: true }), (given, q) => {
			const L = 2;
			const h = given.map(({ loss, squaredNorm }) => {
				const gradientNorm = L * Math.sqrt(squaredNorm);
				return q * loss! ** (q - 1) * gradientNorm ** 2 + L * loss! ** q;
			});
			const sum = h.reduce((sum, value) => sum + value, 0);
			const expected = given.map(({ loss }) => (L * loss! ** q) / sum);
			expect(worstError(coefficients({ q }, given), expected)).toBeLessThan(1e-9);
		}),
	);
});

test("a claimed loss counts between the bounds only, also one that is negative", () => {
	const of = (loss: number) =>
		coefficients({ q: 1, loss_min: 0.1, loss_max: 10 }, [facts({ loss: 1 }), facts({ loss })]);
	expect(of(1e300)).toEqual(of(10));
	expect(of(-5)).toEqual(of(0.1));
	expect(of(9)).not.toEqual(of(10));
});
