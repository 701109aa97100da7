import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createEstimator } from "../../../src/shared/router/estimator/estimator.ts";
import { codeUnits, sampleOutcomes, sampleWeights } from "./sample.ts";

const estimator = createEstimator(sampleWeights());
const unseen = sampleOutcomes(150, 99);

function quality(prompt: string, model: string): number {
	return estimator.estimate(prompt).quality[estimator.models.indexOf(model)]!;
}

function expectWhole(prompt: string): void {
	const estimate = estimator.estimate(prompt);
	expect(estimate.posterior.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
	expect(estimate.entropy >= 0 && estimate.entropy <= 1).toBe(true);
	expect(estimate.quality.every((q) => q > 0 && q < 1)).toBe(true);
	expect(estimate.standardError.every((error) => error > 0 && error <= 0.5)).toBe(true);
	const { similarity } = estimate;
	expect(similarity === null || (similarity >= 0 && similarity <= 1)).toBe(true);
}

test("whatever the prompt, the estimate is whole", () => {
	const known = fc.constantFrom(...unseen.map(({ prompt }) => prompt));
	fc.assert(fc.property(fc.oneof(codeUnits, known), expectWhole));
	for (const prompt of ["", " ", "a".repeat(1_000_000), "\u0000", "\ud800", "?".repeat(20_000), "oven ".repeat(9_000)])
		expectWhole(prompt);
});

test("an estimate does not depend on what was judged before, and stays as it is", () => {
	fc.assert(
		fc.property(fc.constantFrom(...unseen), fc.string({ maxLength: 200 }), ({ prompt }, other) => {
			const first = estimator.estimate(prompt);
			const copy = structuredClone(first);
			estimator.estimate(other);
			expect(first).toEqual(copy);
			expect(estimator.estimate(prompt)).toEqual(first);
		}),
	);
});

test("domains are told apart, and each model is thought good where it was", () => {
	let right = 0;
	for (const { prompt, domain } of unseen) {
		const { posterior } = estimator.estimate(prompt);
		if (estimator.domains[posterior.indexOf(Math.max(...posterior))] === domain) right++;
	}
	expect(right / unseen.length).toBeGreaterThan(0.95);
	const [cooking, orbits, law] = ["cooking", "orbits", "law"].map(
		(name) => unseen.find(({ domain }) => domain === name)!.prompt,
	) as [string, string, string];
	expect(quality(cooking, "chef")).toBeGreaterThan(quality(cooking, "pilot") + 0.2);
	expect(quality(orbits, "pilot")).toBeGreaterThan(quality(orbits, "chef") + 0.2);
	expect(quality(law, "clerk")).toBeGreaterThan(quality(law, "pilot") + 0.2);
});

test("a model that was not measured in a domain has a guess with a large error there", () => {
	const law = unseen.find(({ domain }) => domain === "law")!.prompt;
	const { standardError } = estimator.estimate(law);
	const [chef, clerk] = ["chef", "clerk"].map((model) => standardError[estimator.models.indexOf(model)]!);
	expect(chef).toBeGreaterThan(2 * clerk!);
});

test("prompts like the training's are in domain, others are new", () => {
	const inside = unseen.filter(({ prompt }) => estimator.estimate(prompt).inDomain).length;
	expect(inside / unseen.length).toBeGreaterThan(0.8);
	const foreign = [
		"",
		"def f(x): return x[::-1] # \\frac{1}{2}",
		"¿Dónde está la biblioteca? Ñandú çà et là",
		"z".repeat(5_000),
	];
	for (const prompt of foreign) expect(estimator.estimate(prompt).inDomain).toBe(false);
});

test("output tokens are those of the domain, and NaN where nothing tells", () => {
	const law = estimator.estimate(unseen.find(({ domain }) => domain === "law")!.prompt).outputTokens;
	expect(law[estimator.models.indexOf("clerk")]).toBeCloseTo(200, 0);
	const weights = sampleWeights();
	const outputTokens = new Float32Array(weights.priors.outputTokens.length).fill(-1);
	const silent = createEstimator({ ...weights, priors: { ...weights.priors, outputTokens } });
	expect([...silent.estimate("oven").outputTokens].every(Number.isNaN)).toBe(true);
});
