import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choose, type ChoiceRules, type Judged } from "../../../src/shared/router/choice.ts";
import { judged, RULES_OF_CHOICE } from "./support.ts";

const chosenBy = (all: readonly Judged[], rules: Partial<ChoiceRules> = {}) => {
	const choice = choose(all, { ...RULES_OF_CHOICE, ...rules });
	return { ...choice, chosen: choice.drawn.order[0]!.candidate.model };
};

const cheap = judged("cheap", 0.7, 0.0001);
const strong = judged("strong", 0.9, 0.004);

const option = fc.record({
	quality: fc.double({ min: 0, max: 1, noNaN: true }),
	usd: fc.double({ min: 0, max: 0.05, noNaN: true }),
	seconds: fc.double({ min: 0, max: 20, noNaN: true }),
	standardError: fc.double({ min: 0, max: 0.3, noNaN: true }),
	busy: fc.boolean(),
	shadow: fc.boolean(),
});
const MODELS = ["a", "b", "c", "d", "e"];
const several = fc
	.array(option, { minLength: 1, maxLength: 5 })
	.map((all) => all.map((each, index) => judged(MODELS[index]!, each.quality, each.usd, each)));

describe("the choice", () => {
	test("weighs quality against dollars by what quality is worth", () => {
		expect(chosenBy([cheap, strong], { qualityUsd: 0.05 }).chosen).toBe("strong");
		expect(chosenBy([cheap, strong], { qualityUsd: 0.01 }).chosen).toBe("cheap");
	});

	test("is of the least score but for ties, and every score is the sum of its terms", () => {
		fc.assert(
			fc.property(several, fc.double({ min: 0, max: 1, noNaN: true }), (all, qualityUsd) => {
				const { candidates, drawn, rejected } = chosenBy(all, { qualityUsd });
				for (const { score, terms } of candidates) {
					expect(score).toBeCloseTo(
						Object.values(terms).reduce((sum: number, usd: number) => sum + usd, 0),
						12,
					);
				}
				expect(candidates.length + rejected.length).toBe(all.length);
				expect(drawn).toMatchObject({ propensity: 1, explored: false });
				expect(new Set(drawn.order.map(({ candidate }) => candidate.model)).size).toBe(candidates.length);
				// Those that take no requests come last.
				const isBusy = drawn.order.map(({ candidate }) => candidate.busy === true);
				expect(isBusy).toEqual(isBusy.toSorted((a, b) => Number(a) - Number(b)));
			}),
		);
	});

	test("a model that costs more and does worse is never chosen before one that takes requests", () => {
		fc.assert(
			fc.property(several, (all) => {
				const { chosen } = chosenBy(all);
				const of = all.find((each) => each.option.model.id === chosen)!;
				const rivals = all.filter(({ option: other, quality }) => !other.busy && !quality.shadow);
				const isBeaten = rivals.some(
					({ option: { usd, seconds }, quality }) =>
						usd < of.option.usd && seconds < of.option.seconds && quality.quality > of.quality.quality + 1e-9,
				);
				// Of equal ones within the noise the cheapest is taken, so one that beats it in dollars too is never passed over.
				if (!of.option.busy && !of.quality.shadow) expect(isBeaten).toBe(false);
			}),
		);
	});

	test("leaves out who is below the floor, relative to the best, whatever it saves", () => {
		const { chosen, rejected } = chosenBy([cheap, strong], { qualityUsd: 0, floor: 0.8 });
		expect(chosen).toBe("strong");
		expect(rejected).toEqual([{ model: "cheap", rule: "quality_floor" }]);
		expect(chosenBy([cheap, strong], { qualityUsd: 0, floor: 0.7 }).chosen).toBe("cheap");
	});

	test("a model of which nothing is known is no candidate while others are, unless it is the incumbent", () => {
		const unknown = judged("unknown", 0.5, 0, { shadow: true, standardError: 0.5 });
		expect(chosenBy([unknown, strong]).rejected).toEqual([{ model: "unknown", rule: "shadow" }]);
		expect(chosenBy([unknown]).chosen).toBe("unknown");
		expect(chosenBy([unknown, strong], { incumbent: "unknown" }).chosen).toBe("unknown");
	});

	test("without a judgement the incumbent answers, else the first, and the others stand by in order", () => {
		const order = (rules: Partial<ChoiceRules>) =>
			chosenBy([cheap, strong, judged("third", 0.5, 0)], { isJudged: false, ...rules }).drawn.order.map(
				({ candidate }) => candidate.model,
			);
		expect(order({ incumbent: "strong" })).toEqual(["strong", "cheap", "third"]);
		expect(order({})).toEqual(["cheap", "strong", "third"]);
	});
});

describe("the incumbent", () => {
	test("is left only where the gain is beyond the noise of both estimates", () => {
		const gain = fc.double({ min: -0.05, max: 0.05, noNaN: true });
		const error = fc.double({ min: 0, max: 0.3, noNaN: true });
		fc.assert(
			fc.property(gain, error, error, (usd, a, b) => {
				const old = judged("old", 0.8, 0.1, { standardError: a });
				const fresh = judged("fresh", 0.8, 0.1 - usd, { standardError: b });
				const noise = 0.05 * Math.hypot(a, b);
				const { chosen } = chosenBy([old, fresh], { incumbent: "old" });
				// What stands between is decided by the band, for the cheaper.
				if (usd > noise + 1e-9) expect(chosen).toBe("fresh");
				else if (usd < 0.75 * noise - 1e-9 || usd < 0) expect(chosen).toBe("old");
			}),
		);
	});

	test("pays nothing for the doubt about itself", () => {
		const { candidates } = chosenBy([cheap, strong], { incumbent: "strong" });
		expect(candidates.find(({ model }) => model === "strong")!.terms.risk).toBe(0);
		expect(candidates.find(({ model }) => model === "cheap")!.terms.risk).toBeCloseTo(
			0.05 * Math.hypot(0.02, 0.02),
			12,
		);
	});
});

describe("weights", () => {
	const terms = (weights: ChoiceRules["weights"], model: object = {}) =>
		chosenBy([judged("m", 0.8, 0.01, { model }), judged("known", 0.8, 0.01, { model: KNOWN })], {
			weights,
		}).candidates.find((each) => each.model === "m")!.terms;
	const KNOWN = { parameters_billion: 70, released: "2025-11-28" };

	test("are dollars per unit", () => {
		expect(terms({ size: 0.001 }, { parameters_billion: 8 }).size).toBeCloseTo(0.008, 12);
		expect(terms({ recency: 0.01 }, { released: "2024-11-28" }).recency).toBeCloseTo(0.02, 4);
		expect(terms({ privacy: 0.003 }).privacy).toBeCloseTo(0.006, 12);
		expect(terms({ verbosity: 0.5 }).verbosity).toBeCloseTo(0.05, 12);
	});

	test("take a size or a date that is not told for the worst of the candidates'", () => {
		expect(terms({ size: 0.001 }).size).toBeCloseTo(0.07, 12);
		expect(terms({ recency: 0.01 }).recency).toBeCloseTo(0.01, 4);
	});
});

test("the alternatives are those that no other beats", () => {
	fc.assert(
		fc.property(several, (all) => {
			const { candidates, pareto } = chosenBy(all);
			for (const each of candidates) {
				const isBeaten = candidates.some(
					(other) =>
						other.quality >= each.quality &&
						other.usd <= each.usd &&
						other.seconds <= each.seconds &&
						(other.quality > each.quality || other.usd < each.usd || other.seconds < each.seconds),
				);
				expect(pareto.includes(each.model)).toBe(!isBeaten);
			}
			expect(pareto.length).toBeGreaterThan(0);
		}),
	);
});
