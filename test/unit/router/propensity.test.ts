import { describe, expect, test } from "vitest";
import { explore, type Explorable } from "../../../src/shared/router/explore.ts";
import { learn } from "../../../src/shared/router/learn.ts";
import { drawShadow, mayShadow } from "../../../src/shared/router/shadow.ts";
import type { Outcome } from "../../../src/shared/router/outcome.ts";
import { seeded } from "../../simulator/random.ts";
import { NOW, outcome, pair, setup } from "./learning-support.ts";

/** Traffic of easy and hard prompts: `strong` answers 95 % and 60 %, `weak` 90 % and 20 %. The router sends easy prompts to the
 *  weak model and hard ones to the strong one, so that their observed means are the wrong way round. */
const TRUTH = { strong: { easy: 0.95, hard: 0.6 }, weak: { easy: 0.9, hard: 0.2 } } as const;
const MODELS = ["strong", "weak"] as const;
const REQUESTS = 60_000;
const meanOf = (model: (typeof MODELS)[number]): number => (TRUTH[model].easy + TRUTH[model].hard) / 2;

const candidates: Explorable[] = [
	{ score: 0, standardError: 1, shadow: false },
	{ score: 0.5, standardError: 1, shadow: false },
];

/** One domain for all: what differs between the prompts, the router's features do not tell the learner. */
function simulate(
	seed: number,
	asked: (chosen: number, u: number, answer: (model: number) => number) => Outcome[],
): Outcome[] {
	const random = seeded(seed);
	return Array.from({ length: REQUESTS }, () => {
		const kind = random() < 0.5 ? "easy" : "hard";
		const answer = (model: number): number => (random() < TRUTH[MODELS[model]!][kind] ? 1 : 0);
		return asked(kind === "easy" ? 1 : 0, random(), answer);
	}).flat();
}

const cells = (outcomes: readonly Outcome[]) => learn(setup(MODELS), outcomes, [], NOW).cells;

describe("estimates from traffic that a router has steered", () => {
	test("observed means rank the models the wrong way round", () => {
		const outcomes = simulate(1, (chosen, _, answer) => [outcome({ model: MODELS[chosen]!, score: answer(chosen) })]);
		const mean = (model: string): number => {
			const of = outcomes.filter((each) => each.model === model);
			return of.reduce((sum, { score }) => sum + score, 0) / of.length;
		};
		expect(mean("weak")).toBeGreaterThan(mean("strong") + 0.2);
		expect(cells(outcomes).at("*", "weak").n).toBe(0);
	});

	test("explored requests tell the truth, also where the share was changed meanwhile", () => {
		let turn = 0;
		const outcomes = simulate(2, (chosen, u, answer) => {
			const ordered = chosen === 0 ? candidates : [candidates[1]!, candidates[0]!];
			const drawn = explore(ordered, chosen, turn++ % 2 === 0 ? 0.05 : 0.02, u);
			return [outcome({ model: MODELS[drawn.index]!, score: answer(drawn.index), ...drawn })];
		});
		const of = cells(outcomes);
		for (const model of MODELS) {
			// One key's words are worth a hundred; those of unequal propensities less.
			expect(of.at("*", model).n).toBeGreaterThan(70);
			expect(Math.abs(of.at("*", model).mean - meanOf(model))).toBeLessThan(0.05);
		}
	});

	test("explored requests of different shares are weighted by their propensities", () => {
		// Hard prompts were explored four times as often: the plain mean of what was explored is of hard prompts mostly.
		const outcomes = simulate(3, (chosen, u, answer) => {
			const drawn = explore([candidates[0]!, candidates[0]!], chosen, chosen === 0 ? 0.05 : 0.0125, u);
			return drawn.explored ? [outcome({ model: MODELS[drawn.index]!, score: answer(drawn.index), ...drawn })] : [];
		});
		const plain = outcomes.filter(({ model }) => model === "weak");
		expect(plain.reduce((sum, { score }) => sum + score, 0) / plain.length).toBeLessThan(meanOf("weak") - 0.15);
		expect(Math.abs(cells(outcomes).at("*", "weak").mean - meanOf("weak"))).toBeLessThan(0.06);
	});

	test("shadow pairs tell the truth though the first answer was chosen", () => {
		const outcomes = simulate(4, (chosen, u, answer) => {
			const drawn = drawShadow(MODELS, MODELS[chosen]!, 0.02, u);
			if (!drawn) return [];
			const second = MODELS.indexOf(drawn.model as "weak");
			return pair(
				{ model: MODELS[chosen]!, score: answer(chosen) },
				{ model: drawn.model, score: answer(second), propensity: drawn.propensity },
			);
		});
		for (const model of MODELS)
			expect(Math.abs(cells(outcomes).at("*", model).mean - meanOf(model))).toBeLessThan(0.05);
	});
});

describe("exploring", () => {
	const three: Explorable[] = [
		{ score: 1, standardError: 0.1, shadow: false },
		{ score: 1.1, standardError: 0.1, shadow: false },
		{ score: 9, standardError: 0.1, shadow: false },
		{ score: 0.5, standardError: 0.1, shadow: true },
	];

	test("is evenly among what may be the best, never what is in shadow, with its probability", () => {
		const random = seeded(5);
		const counts = [0, 0, 0, 0];
		const draws = Array.from({ length: 100_000 }, () => explore(three, 0, 0.05, random()));
		const chosen = draws.filter(({ explored }) => !explored);
		expect(chosen.every(({ index, propensity }) => index === 0 && propensity === 1)).toBe(true);
		const explored = draws.filter((draw) => draw.explored);
		expect(explored.every(({ propensity }) => propensity === 0.025)).toBe(true);
		for (const { index } of explored) counts[index]!++;
		const drawn = explored.length;
		expect(drawn / 100_000).toBeCloseTo(0.05, 2);
		expect(counts[0]! / drawn).toBeCloseTo(0.5, 1);
		expect(counts.slice(2)).toEqual([0, 0]);
	});

	test("is off at share 0, and where nothing else is plausible", () => {
		expect(explore(three, 0, 0, 0).explored).toBe(false);
		expect(explore([three[0]!, three[2]!], 0, 0.05, 0).explored).toBe(false);
	});
});

describe("shadow requests", () => {
	test("go to every other model alike", () => {
		const counts = { b: 0, c: 0, d: 0 } as Record<string, number>;
		for (let n = 0; n < 3_000; n++) counts[drawShadow(["a", "b", "c", "d"], "a", 0.02, (n / 3_000) * 0.02)!.model]!++;
		expect(Object.values(counts)).toEqual([1_000, 1_000, 1_000]);
		expect(drawShadow(["a"], "a", 0.02, 0)).toBeNull();
		expect(drawShadow(["a", "b"], "a", 0.02, 0.02)).toBeNull();
	});

	test("stay within the day's budget at their worst", () => {
		expect(mayShadow({ settled: 50, held: 30 }, 20, 100)).toBe(true);
		expect(mayShadow({ settled: 50, held: 30 }, 21, 100)).toBe(false);
	});
});
