import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { coldPosterior, sumOf } from "../../../src/shared/warmth/mixture.ts";
import { normals } from "../perf/support.ts";
import { between } from "./support.ts";

const WARM = { mean: 0.3, sigma: 0.4 };
const COLD = sumOf(WARM, { mean: 60, sigma: 0.7 });

describe("whether an answer had to wait for a start", () => {
	test.each([
		["as quick as ever, though it was thought to be cold", 0.95, 0.4, false],
		["as late as a start takes, though it was thought to be warm", 0, 55, true],
		["as late as a start takes, as was expected", 1, 30, true],
		["twenty times as late as usual, from a warm replica: a queue", 0, 6, false],
	])("%s", (_, prior, seconds, cold) => {
		expect(coldPosterior(prior, seconds, WARM, COLD) > 0.5).toBe(cold);
	});

	test("a long queue that is known of is not taken for a start", () => {
		const queued = { mean: 50, sigma: 0.4 };
		const late = sumOf(queued, { mean: 60, sigma: 0.7 });
		expect(coldPosterior(0.05, 60, queued, late)).toBeLessThan(0.1);
	});

	test("is a probability that rises with what was believed", () => {
		const expected = fc.record({ mean: between(0.001, 1e4), sigma: between(0, 2) });
		fc.assert(
			fc.property(between(0, 1), between(0, 1), between(0, 1e6), expected, expected, (a, b, seen, warm, cold) => {
				const low = coldPosterior(Math.min(a, b), seen, warm, cold);
				const high = coldPosterior(Math.max(a, b), seen, warm, cold);
				expect(low).toBeGreaterThanOrEqual(0);
				expect(high).toBeLessThanOrEqual(1);
				expect(high).toBeGreaterThanOrEqual(low - 1e-12);
			}),
		);
	});
});

test("a sum has the mean and the spread of 200,000 draws", () => {
	const a = { mean: 3, sigma: 0.4 };
	const b = { mean: 10, sigma: 0.8 };
	const normal = normals(11);
	const draw = ({ mean, sigma }: typeof a) => mean * Math.exp(sigma * normal() - (sigma * sigma) / 2);
	const draws = Array.from({ length: 200_000 }, () => draw(a) + draw(b));
	const mean = draws.reduce((x, y) => x + y) / draws.length;
	const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
	const sum = sumOf(a, b);
	expect(sum.mean / mean).toBeCloseTo(1, 1);
	expect((sum.mean ** 2 * Math.expm1(sum.sigma ** 2)) / variance).toBeCloseTo(1, 1);
});
