import * as fc from "fast-check";
import { expect, test } from "vitest";
import { expectedExcess, normalCdf } from "../../../src/shared/objective/lognormal.ts";
import { objectiveTerms, scoreOf, type Estimate } from "../../../src/shared/objective/objective.ts";

const estimate: Estimate = {
	marginalUsd: 0.0001,
	congestionUsd: 0,
	ttft: 1,
	ttftSigma: 0.3,
	outputSeconds: 2,
	uncachedTokens: 4_000,
	prefillTokensPerSecond: 8_000,
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

test("terms are in dollars and add up to the score", () => {
	const terms = objectiveTerms(estimate, weights);
	expect(terms.time).toBeCloseTo(0.003, 12);
	expect(terms.harm).toBeCloseTo(0.001 * 0.75 * 0.5, 12);
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
			fc.constantFrom("ttft", "outputSeconds", "marginalUsd", "congestionUsd", "uncachedTokens" as const),
			(base, more, field) => {
				const before = scoreOf(objectiveTerms({ ...estimate, [field]: base }, weights));
				const after = scoreOf(objectiveTerms({ ...estimate, [field]: base + more }, weights));
				expect(after).toBeGreaterThanOrEqual(before - 1e-12);
			},
		),
	);
});
