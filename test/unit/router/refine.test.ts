import { describe, expect, test } from "vitest";
import { choose } from "../../../src/shared/router/choice.ts";
import { learn, viewOf } from "../../../src/shared/router/learn.ts";
import type { AnchorRow, Outcome } from "../../../src/shared/router/outcome.ts";
import type { PromptEstimate } from "../../../src/shared/router/prompt-estimate.ts";
import { refine, type RefinedModel } from "../../../src/shared/router/refine.ts";
import { explored, NOW, outcome, pair, setup } from "./learning-support.ts";
import { judged, RULES_OF_CHOICE } from "./support.ts";

const DOMAINS = ["math", "law"];
/** `a` and `b` have cards, `new` has none. */
const MODELS: RefinedModel[] = [
	{ id: "a", card: 0 },
	{ id: "b", card: 1 },
	{ id: "new", card: null },
];

const estimate = (posterior: readonly [number, number], inDomain = true): PromptEstimate => ({
	posterior: Float64Array.from(posterior),
	inDomain,
	entropy: 0,
	similarity: null,
	quality: Float64Array.of(0.8, 0.6),
	standardError: Float64Array.of(0.05, 0.05),
	outputTokens: Float64Array.of(Number.NaN, Number.NaN),
});
const view = (outcomes: readonly Outcome[], anchors: readonly AnchorRow[] = []) =>
	viewOf(learn(setup(["a", "b", "new"]), outcomes, anchors, NOW), 1, NOW);
const inMath = estimate([1, 0]);
const many = (count: number, of: () => Outcome[]): Outcome[] => Array.from({ length: count }, of).flat();

describe("a quality", () => {
	test("without a view is the card's, and of a model without a card unknown", () => {
		const [a, b, c] = refine(inMath, MODELS, null, DOMAINS);
		expect(a).toEqual({ quality: 0.8, standardError: 0.05, shadow: false, card: 0.8 });
		expect(b!.quality).toBe(0.6);
		expect(c).toMatchObject({ shadow: true, card: null });
		expect(refine(null, MODELS, null, DOMAINS).every(({ shadow }) => shadow)).toBe(true);
	});

	test("is the card's as long as nothing may move it", () => {
		const chosen = view(many(200, () => [outcome({ model: "a", score: 0, card: 0.8 })]));
		const [a] = refine(inMath, MODELS, chosen, DOMAINS);
		expect(a!.quality).toBe(0.8);
		expect(a!.standardError).toBeCloseTo(0.05, 9);
	});

	test("is moved where drawn scores differ from what the card expected, in that domain", () => {
		const moved = view(many(80, () => [explored({ model: "b", score: 1, card: 0.6 })]));
		const [a, b] = refine(inMath, MODELS, moved, DOMAINS);
		expect(b!.quality).toBeCloseTo(0.6 + (80 / 100) * 0.4, 5);
		expect(b!.card).toBe(0.6);
		expect(a!.quality).toBe(0.8);
		const [, inLaw] = refine(estimate([0, 1]), MODELS, moved, DOMAINS);
		// Nothing was seen there, so that what holds in general holds there too.
		expect(inLaw!.quality).toBeGreaterThan(0.6);
		const law = view([
			...many(80, () => [explored({ model: "b", score: 1, card: 0.6 })]),
			...many(80, () => [explored({ model: "b", score: 0.6, card: 0.6, domains: [{ name: "law", p: 1 }], key: "k2" })]),
		]);
		expect(refine(estimate([0, 1]), MODELS, law, DOMAINS)[1]!.quality).toBeCloseTo(0.6, 5);
	});

	test("stays between 0 and 1", () => {
		const wild = view(many(90, () => [explored({ model: "b", score: 1, card: 0 })]));
		const [, b] = refine(inMath, MODELS, wild, DOMAINS);
		expect(b!.quality).toBe(1);
	});
});

describe("a model without a card", () => {
	let turn = 0;
	const better = () => pair({ model: "a", score: turn++ % 2 }, { model: "new", score: 1, propensity: 0.5 });

	test("is let out of shadow by pairs, where those were", () => {
		const seen = view(many(100, better));
		const [, , inDomain] = refine(inMath, MODELS, seen, DOMAINS);
		expect(inDomain).toMatchObject({ shadow: false, card: null });
		expect(inDomain!.quality).toBeGreaterThan(0.8);
	});

	test("stays in it with too few", () => {
		expect(refine(inMath, MODELS, view(many(30, better)), DOMAINS)[2]!.shadow).toBe(true);
	});

	test("is usable with 200 labelled prompts of the operator's, and not with 199", () => {
		const anchor: AnchorRow = { domains: [{ name: "math", p: 1 }], scores: { new: 0.7 }, cards: {} };
		const labelled = (count: number) =>
			view(
				[],
				Array.from({ length: count }, () => anchor),
			);
		const [, , usable] = refine(inMath, MODELS, labelled(200), DOMAINS);
		expect(usable).toMatchObject({ shadow: false });
		expect(usable!.quality).toBeCloseTo(0.7, 1);
		expect(refine(inMath, MODELS, labelled(199), DOMAINS)[2]!.shadow).toBe(true);
	});
});

describe("a choice that is left to chance", () => {
	const models = [judged("a", 0.8, 0.001, { standardError: 0.1 }), judged("b", 0.75, 0.001, { standardError: 0.1 })];
	const chosen = (u: number, rules = {}) =>
		choose(models, { ...RULES_OF_CHOICE, chance: { share: 0.05, u }, ...rules }).drawn;

	test("is drawn with its propensity, the others follow", () => {
		expect(chosen(0.5)).toMatchObject({ explored: false, propensity: 1 });
		const second = chosen(0.04);
		expect(second).toMatchObject({ explored: true, propensity: 0.025 });
		expect(second.order.map(({ option }) => option.model.id)).toEqual(["b", "a"]);
	});

	test("is none where nothing is known of the prompt", () => {
		expect(chosen(0.04, { isJudged: false })).toMatchObject({ explored: false, propensity: 1 });
	});
});
