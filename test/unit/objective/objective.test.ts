import * as fc from "fast-check";
import { expect, test } from "vitest";
import { expectedExcess, lateShare, normalCdf } from "../../../src/shared/objective/lognormal.ts";
import { objectiveTerms, scoreOf, type Estimate } from "../../../src/shared/objective/objective.ts";

const estimate: Estimate = {
	marginalUsd: 0.0001,
	congestionUsd: 0,
	ttft: 1,
	ttftSigma: 0.3,
	outputSeconds: 2,
	uncachedTokens: 4_000,
	prefillTokensPerSecond: 8_000,
	inFlight: 5,
	decoding: 4,
	decodeDelay: 0.1,
	utilisation: 0.5,
	start: null,
};
const weights = { valueOfSecond: 0.001, lateSecond: 0.01, ttftGoal: 2 };

test("normal distribution function at known points (tables: 0.5, 0.8413447, 0.0249979)", () => {
	expect(normalCdf(0)).toBeCloseTo(0.5, 6);
	expect(normalCdf(1)).toBeCloseTo(0.8413447, 6);
	expect(normalCdf(-1.96)).toBeCloseTo(0.0249979, 6);
});

test("expected excess agrees with numeric integration", () => {
	const mean = 1.4;
	const sigma = 0.5;
	const goal = 2;
	const mu = Math.log(mean) - (sigma * sigma) / 2;
	let sum = 0;
	const step = 1e-3;
	for (let z = -8; z < 8; z += step) {
		const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
		sum += Math.max(0, Math.exp(mu + sigma * z) - goal) * density * step;
	}
	expect(expectedExcess(mean, sigma, goal)).toBeCloseTo(sum, 4);
});

test("the late share is the slope of the expected excess", () => {
	const positive = fc.double({ min: 0.01, max: 50, noNaN: true });
	fc.assert(
		fc.property(positive, fc.double({ min: 0.05, max: 2, noNaN: true }), positive, (mean, sigma, goal) => {
			const step = 1e-3 * mean;
			const slope = (expectedExcess(mean + step, sigma, goal) - expectedExcess(mean - step, sigma, goal)) / (2 * step);
			expect(lateShare(mean, sigma, goal)).toBeCloseTo(slope, 2);
		}),
	);
	expect(lateShare(1, 0.3, 0)).toBe(1);
	expect(lateShare(3, 0, 2)).toBe(1);
	expect(lateShare(1, 0, 2)).toBe(0);
});

test("a replica with nothing to do harms nobody", () => {
	expect(objectiveTerms({ ...estimate, inFlight: 0, decoding: 0, utilisation: 0 }, weights).harm).toBe(0);
});

test("the weight of others' delays scales that term and no other", () => {
	const terms = objectiveTerms(estimate, weights);
	fc.assert(
		fc.property(fc.double({ min: 0, max: 10, noNaN: true }), (harmWeight) => {
			const weighed = objectiveTerms(estimate, { ...weights, harmWeight });
			expect(weighed.harm).toBeCloseTo(harmWeight * terms.harm, 12);
			expect({ ...weighed, harm: 0 }).toEqual({ ...terms, harm: 0 });
		}),
	);
});

test("terms are in dollars and add up to the score", () => {
	const terms = objectiveTerms(estimate, weights);
	expect(terms.time).toBeCloseTo(0.003, 12);
	// Half a second of prefill: five queue behind it, four decode beside it, and five answers become 0.1 s longer.
	const firstSecond = 0.001 + 0.01 * lateShare(1, 0.3, 2);
	expect(terms.harm).toBeCloseTo(firstSecond * 5 * 0.5 + 0.001 * (3 * 4 * 0.5 + 5 * 0.1), 12);
	expect(scoreOf(terms)).toBeCloseTo(
		Object.values(terms).reduce((a, b) => a + b, 0),
		12,
	);
});

test("later, dearer or more to compute never scores better", () => {
	const positive = fc.double({ min: 0.001, max: 100, noNaN: true });
	fc.assert(
		fc.property(
			positive,
			positive,
			fc.constantFrom(
				...(["ttft", "outputSeconds", "marginalUsd", "congestionUsd", "uncachedTokens"] as const),
				...(["inFlight", "decoding", "decodeDelay", "utilisation"] as const),
			),
			(base, more, field) => {
				const before = scoreOf(objectiveTerms({ ...estimate, [field]: base }, weights));
				const after = scoreOf(objectiveTerms({ ...estimate, [field]: base + more }, weights));
				expect(after).toBeGreaterThanOrEqual(before - 1e-12);
			},
		),
	);
});
