import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { meanOf, quantileAt, residualOf, stillAfter } from "../../../src/shared/warmth/log-normal.ts";
import { normals } from "../perf/support.ts";
import { between } from "./support.ts";

const law = fc.record({ mu: between(-2, 6), sigma: between(0.1, 1.5) });

describe("how much longer a start takes", () => {
	test("agrees with the mean over 200,000 draws that took longer", () => {
		const start = { mu: Math.log(40), sigma: 0.5 };
		const normal = normals(7);
		const draws = Array.from({ length: 200_000 }, () => Math.exp(start.mu + start.sigma * normal()));
		for (const age of [0, 10, 40, 80]) {
			const left = draws.filter((seconds) => seconds > age).map((seconds) => seconds - age);
			const mean = left.reduce((a, b) => a + b) / left.length;
			expect(residualOf(start, age) / mean).toBeCloseTo(1, 1);
			expect(stillAfter(start, 0, age)).toBeCloseTo(left.length / draws.length, 2);
		}
	});

	test("is the mean when it has just begun, and finite and not negative at any age", () => {
		fc.assert(
			fc.property(law, between(-10, 1e6), (start, age) => {
				expect(residualOf(start, 0)).toBeCloseTo(meanOf(start), 9);
				const left = residualOf(start, age);
				expect(left).toBeGreaterThanOrEqual(0);
				expect(left).toBeLessThan(Infinity);
			}),
		);
	});

	test("has no step where the formula changes", () => {
		fc.assert(
			fc.property(law, fc.constantFrom(-5, 3, 3.5), (start, z) => {
				const at = quantileAt(start, z);
				const step = residualOf(start, at * 1.0001) / residualOf(start, at / 1.0001);
				expect(Math.abs(step - 1)).toBeLessThan(0.002);
			}),
		);
	});

	test("far beyond what is usual it grows: what should long have been over is not about to be", () => {
		const start = { mu: Math.log(40), sigma: 0.5 };
		expect(residualOf(start, 2_000)).toBeGreaterThan(residualOf(start, 400));
	});
});

test("the chance that it is not over falls with time, given any beginning", () => {
	fc.assert(
		fc.property(law, between(0, 500), between(0, 500), between(0, 500), (start, from, first, second) => {
			const [near, far] = [Math.min(first, second), Math.max(first, second)];
			const a = stillAfter(start, from, from + near);
			const b = stillAfter(start, from, from + far);
			expect(b).toBeLessThanOrEqual(a + 1e-6);
			expect(a).toBeLessThanOrEqual(1);
			expect(b).toBeGreaterThanOrEqual(0);
		}),
	);
});
