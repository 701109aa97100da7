import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerLaw, late, stillOut, type AnswerLaw } from "../../../src/shared/warmth/answer-law.ts";
import { HedgeBudget } from "../../../src/shared/warmth/hedge-budget.ts";
import { hedgeTerms, isWorth, worthAfter, type HedgeQuestion } from "../../../src/shared/warmth/hedge.ts";
import { normals, uniforms } from "../perf/support.ts";
import { between } from "./support.ts";

const WEIGHTS = { valueOfSecond: 0.001, lateSecond: 0.01, ttftGoal: 2 };
const WARM = { mean: 0.3, sigma: 0.3 };
const START = { probability: 0.5, seconds: 20, sigma: 0.6 };

const expected = fc.record({ mean: between(0.01, 20), sigma: between(0.05, 1.2) });
const start = fc.option(fc.record({ probability: between(0, 1), seconds: between(0.5, 120), sigma: between(0.1, 1) }));
const law = fc.tuple(expected, start).map(([warm, cold]) => answerLaw(warm, cold));
const questions = fc.record({
	first: law,
	second: law,
	waited: between(0.05, 50),
	slower: between(-10, 10),
	usd: between(0, 0.1),
});
const weights = fc.record({
	valueOfSecond: between(0, 0.1),
	lateSecond: between(0, 1),
	ttftGoal: between(0.1, 100),
});

function question(change: Partial<HedgeQuestion> = {}): HedgeQuestion {
	return { first: answerLaw(WARM, null), waited: 5, second: answerLaw(WARM, null), slower: 0, usd: 0.001, ...change };
}

describe("a law of answers", () => {
	test("is a survival function: from 1 on down, whatever is expected", () => {
		fc.assert(
			fc.property(law, between(0, 600), between(0, 600), (each, a, b) => {
				const [soon, later] = [Math.min(a, b), Math.max(a, b)];
				expect(stillOut(each, 0)).toBeCloseTo(1, 6);
				expect(stillOut(each, soon)).toBeGreaterThanOrEqual(stillOut(each, later) - 1e-6);
				expect(stillOut(each, later)).toBeGreaterThanOrEqual(0);
			}),
		);
	});

	test("of a warm replica is beyond its late mark in a twentieth of cases, and in some of a queue", () => {
		const out = stillOut(answerLaw(WARM, null), late(WARM));
		expect(out).toBeGreaterThan(0.05);
		expect(out).toBeLessThan(0.06);
	});
});

describe("the terms of a hedge", () => {
	/** Draws of when an answer comes. */
	function draws(each: AnswerLaw, count: number, seed: number): number[] {
		const [uniform, normal] = [uniforms(seed), normals(seed + 1)];
		return Array.from({ length: count }, () => {
			let left = uniform();
			const component = each.find(({ weight }) => (left -= weight) < 0) ?? each.at(-1)!;
			return Math.exp(component.law.mu + component.law.sigma * normal());
		});
	}

	test.each([
		["of a warm replica that is late", { first: answerLaw({ mean: 1, sigma: 0.7 }, null), waited: 2.5 }, 0.03],
		["of one that may have had to start", { first: answerLaw(WARM, START), waited: 3 }, 0.02],
		["into a pool that may be cold itself", { first: answerLaw(WARM, START), second: answerLaw(WARM, START) }, 0.02],
		[
			"into one that is no quicker",
			{ first: answerLaw(WARM, START), second: answerLaw({ mean: 30, sigma: 0.5 }, null), waited: 1 },
			0.03,
		],
	])("are those of draws: %s", (_, change, share) => {
		const asked = question({ slower: 3, ...change });
		const { first, waited, second, slower } = asked;
		const left = draws(first, 500_000, 1).filter((t) => t > waited);
		const other = draws(second, left.length, 99);
		const goal = Math.max(0, WEIGHTS.ttftGoal - waited);
		const excess = (t: number): number => Math.max(0, Math.min(60, t) - goal);
		let [time, over, wins] = [0, 0, 0];
		left.forEach((t, i) => {
			const x = t - waited;
			const min = Math.min(x, other[i]!);
			time += Math.min(60, x) - Math.min(60, min);
			over += excess(x) - excess(min);
			wins += other[i]! < x ? 1 : 0;
		});
		const terms = hedgeTerms(asked, WEIGHTS);
		const near = (found: number, drawn: number): void => {
			expect(Math.abs(found - drawn)).toBeLessThan(share * Math.abs(drawn) + 1e-6);
		};
		near(terms.time, (WEIGHTS.valueOfSecond * time) / left.length);
		near(terms.late, (WEIGHTS.lateSecond * over) / left.length);
		near(terms.slower, (WEIGHTS.valueOfSecond * slower * wins) / left.length);
	});

	test("gain nothing below zero, nor more than what can be waited; what costs more is never worth more", () => {
		fc.assert(
			fc.property(questions, weights, (asked, each) => {
				const terms = hedgeTerms(asked, each);
				expect(terms.time).toBeGreaterThanOrEqual(-1e-9);
				expect(terms.late).toBeGreaterThanOrEqual(-1e-9);
				expect(terms.time).toBeLessThanOrEqual(60 * each.valueOfSecond + 1e-9);
				// Seconds over the goal are among all seconds.
				expect(terms.late * each.valueOfSecond).toBeLessThanOrEqual(1.1 * terms.time * each.lateSecond + 1e-6);
				expect(Math.abs(terms.slower)).toBeLessThanOrEqual(each.valueOfSecond * Math.abs(asked.slower) + 1e-9);
				const dearer = hedgeTerms({ ...asked, usd: asked.usd * 2 }, each);
				if (!isWorth(terms)) expect(isWorth(dearer)).toBe(false);
			}),
		);
	});

	test("are nothing where the second comes never, and nothing is worth nothing", () => {
		const never = answerLaw({ mean: 1e6, sigma: 0.1 }, null);
		expect(hedgeTerms(question({ second: never }), WEIGHTS).time).toBeLessThan(1e-6);
		expect(isWorth({ time: 0, late: 0, slower: 0, cost: 0 })).toBe(false);
	});
});

test("a warm replica that is a little late is waited for; the longer it is silent, the more a hedge is worth", () => {
	const asked = question({ waited: late(WARM) });
	expect(isWorth(hedgeTerms(asked, WEIGHTS))).toBe(false);
	const after = worthAfter(asked, WEIGHTS)!;
	expect(after).toBeGreaterThan(asked.waited);
	expect(after).toBeLessThan(3);
	expect(isWorth(hedgeTerms({ ...asked, waited: after }, WEIGHTS))).toBe(true);
	expect(worthAfter(question({ usd: 10 }), WEIGHTS)).toBeNull();
});

test.each([
	["of a plain answer of minutes", { first: answerLaw({ mean: 90, sigma: 0.8 }, null), waited: 65, usd: 0.44 }],
	[
		"of a pool that takes minutes to start",
		{ first: answerLaw(WARM, { ...START, seconds: 90 }), waited: 61, usd: 0.41 },
	],
	["that is asked for at once and is worth it late", { waited: 0.05, usd: 0.05 }],
])("a hedge %s may become worth it, however long has been waited", (_, change) => {
	const asked = question(change);
	expect(isWorth(hedgeTerms(asked, WEIGHTS))).toBe(false);
	const after = worthAfter(asked, WEIGHTS)!;
	expect(after).toBeGreaterThan(asked.waited);
	expect(isWorth(hedgeTerms({ ...asked, waited: after }, WEIGHTS))).toBe(true);
});

test("there are never more hedges than their share of the requests, save those that were saved up", () => {
	fc.assert(
		fc.property(between(0, 1), fc.array(fc.boolean(), { maxLength: 500 }), (share, wanted) => {
			const budget = new HedgeBudget(share);
			let hedges = 0;
			wanted.forEach((wants, i) => {
				budget.deposit();
				if (wants && budget.withdraw()) hedges++;
				expect(hedges).toBeLessThanOrEqual(share * (i + 1) + 1e-6);
			});
		}),
	);
	const idle = new HedgeBudget(0.05);
	for (let i = 0; i < 100_000; i++) idle.deposit();
	expect(Array.from({ length: 20 }, () => idle.withdraw()).filter(Boolean)).toHaveLength(10);
	expect(new HedgeBudget(0).withdraw()).toBe(false);
});
