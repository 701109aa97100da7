import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createEstimator } from "../../../src/shared/router/estimator/estimator.ts";
import { sigmoid } from "../../../src/shared/router/estimator/probability.ts";
import { fitPriors } from "../../../src/shared/router/training/fit-priors.ts";
import {
	choose,
	play,
	playSingle,
	tryWeights,
	weightFor,
	weightForSaving,
	type Choice,
} from "../../../src/shared/router/training/floors.ts";
import { judge } from "../../../src/shared/router/training/judge.ts";
import { fitLogistic } from "../../../src/shared/router/training/logistic.ts";
import { randomOf } from "../../../src/shared/router/training/random.ts";
import { spaceOf, tableOf } from "../../../src/shared/router/training/space.ts";
import { trainWeights } from "../../../src/shared/router/training/train.ts";
import { writeWeights } from "../../../src/shared/router/weights/write.ts";
import { sampleBytes, sampleOutcomes, sampleWeights, SMALL } from "./sample.ts";

test("the same outcomes and seed make the same bytes, another seed others", () => {
	expect(writeWeights(trainWeights(sampleOutcomes(), 1, SMALL).weights)).toEqual(sampleBytes());
	expect(writeWeights(trainWeights(sampleOutcomes(), 2, SMALL).weights)).not.toEqual(sampleBytes());
});

test("what was trained beats the best single model on prompts that it has not seen, and is calibrated", () => {
	const unseen = sampleOutcomes(300, 5).filter(({ pool }) => pool === "kitchen");
	const { quality, bestSingle, domainAccuracy, ece } = judge(createEstimator(sampleWeights()), unseen);
	expect(quality).toBeGreaterThan(bestSingle + 0.15);
	expect(domainAccuracy).toBeGreaterThan(0.95);
	expect(ece).toBeLessThan(0.1);
});

test("too few outcomes to tune on are refused", () => {
	expect(() => trainWeights(sampleOutcomes(1), 1, SMALL)).toThrow("too few");
});

test("a model that was not measured in a domain is guessed from its level and the domain's difficulty", () => {
	// Level and difficulty are additive in the logit here, so that the cell that is left out can be told.
	const random = randomOf(3);
	const level = { good: 1, poor: -1 };
	const difficulty = { easy: 1, hard: -1 };
	const outcomes = sampleOutcomes(4_000).map((outcome, i) => {
		const domain = i % 2 === 0 ? "easy" : "hard";
		const models = domain === "hard" && i % 4 === 1 ? (["good"] as const) : (["good", "poor"] as const);
		const asked = domain === "hard" ? (["good"] as const) : models;
		const score = (model: "good" | "poor") => (random() < sigmoid(level[model] + difficulty[domain]) ? 1 : 0);
		return { ...outcome, domain, pool: "all", scores: new Map(asked.map((model) => [model, score(model)] as const)) };
	});
	const space = spaceOf(outcomes);
	const { quality, evidence } = fitPriors(tableOf(outcomes, space), space);
	const cell = space.models.indexOf("poor") * space.domains.length + space.domains.indexOf("hard");
	expect(evidence[cell]).toBe(0);
	expect(quality[cell]).toBeCloseTo(sigmoid(-2), 1);
});

test("logistic regression finds the coefficients that made the data", () => {
	const random = randomOf(11);
	const truth = [0.5, -1.5];
	const n = 20_000;
	const inputs = Float64Array.from({ length: 2 * n }, () => 2 * random() - 1);
	const targets = Float64Array.from({ length: n }, (_, i) =>
		random() < sigmoid(truth[0]! * inputs[2 * i]! + truth[1]! * inputs[2 * i + 1]!) ? 1 : 0,
	);
	const beta = fitLogistic(inputs, 2, targets, new Float64Array(n), 1e-3);
	expect(beta[0]).toBeCloseTo(truth[0]!, 1);
	expect(beta[1]).toBeCloseTo(truth[1]!, 1);
});

const choices = fc.array(
	fc
		.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
		.map(([a, b]): Choice => ({
			quality: Float64Array.from([a, b]),
			expectedUsd: Float64Array.from([1e-3, 1e-5]),
			score: Float64Array.from([Math.round(a), Math.round(b)]),
			usd: Float64Array.from([1e-3, 1e-5]),
		})),
	{ minLength: 1, maxLength: 40 },
);

test("a greater weight never costs more, and at a floor it costs no more than the best for quality", () => {
	fc.assert(
		fc.property(choices, fc.double({ min: 0, max: 1, noNaN: true }), (each, floor) => {
			const costs = [0, 1, 100, 1e4, 1e6].map((weight) => play(each, weight).usd);
			for (let i = 1; i < costs.length; i++) expect(costs[i]).toBeLessThanOrEqual(costs[i - 1]! + 1e-12);
			const weight = weightFor(tryWeights(each, 0), floor);
			if (weight === 0) return;
			expect(play(each, weight).quality).toBeGreaterThanOrEqual(floor * playSingle(each, 0).quality - 1e-12);
			expect(play(each, weight).usd).toBeLessThanOrEqual(play(each, 0).usd + 1e-12);
		}),
	);
});

test("what is to be saved is saved, and to save less takes no greater weight", () => {
	const share = fc.double({ min: 0, max: 0.98, noNaN: true });
	fc.assert(
		fc.property(choices, share, share, (each, one, other) => {
			const trials = tryWeights(each, 0);
			const [less, more] = [Math.min(one, other), Math.max(one, other)];
			const weight = weightForSaving(trials, more);
			expect(play(each, weight).usd).toBeLessThanOrEqual((1 - more) * playSingle(each, 0).usd + 1e-12);
			expect(weightForSaving(trials, less)).toBeLessThanOrEqual(weight);
		}),
	);
});

test("a candidate that was not measured is never chosen", () => {
	const choice: Choice = {
		quality: Float64Array.from([0.9, 0.1]),
		expectedUsd: Float64Array.from([0, 1]),
		score: Float64Array.from([Number.NaN, 1]),
		usd: Float64Array.from([Number.NaN, 1]),
	};
	expect(choose(choice, 0)).toBe(1);
	expect(playSingle([choice], 1)).toEqual({ quality: 1, usd: 1 });
});
