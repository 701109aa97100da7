import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KEY_WEIGHT_FLOOR } from "../../../src/shared/router/ageing.ts";
import { learn, viewOf } from "../../../src/shared/router/learn.ts";
import type { OnlineView } from "../../../src/shared/router/online-view.ts";
import type { AnchorRow, Outcome } from "../../../src/shared/router/outcome.ts";
import { anyOutcomes, anyPlain, DAY, explored, NOW, outcome, pair, setup } from "./learning-support.ts";

const MODELS = ["a", "b", "c"];
const viewFrom = (outcomes: readonly Outcome[], anchors: readonly AnchorRow[] = [], now = NOW): OnlineView =>
	viewOf(learn(setup(MODELS), outcomes, anchors, now), 1, now);
const cell = (view: OnlineView, domain: string, model: string) => {
	const at = view.domains.indexOf(domain) * view.models.length + view.models.indexOf(model);
	return { evidence: view.evidence[at], level: view.level[at]!, shift: view.shift[at]!, open: view.open[at] === 1 };
};

describe("what may move an estimate", () => {
	test("a deterministic outcome never does", () => {
		fc.assert(
			fc.property(anyOutcomes, fc.array(anyPlain, { minLength: 1, maxLength: 20 }), (known, plain) => {
				expect(viewFrom([...known, ...plain])).toEqual(viewFrom(known));
			}),
		);
	});

	test("nor does a thousand of them, all bad", () => {
		const bad = Array.from({ length: 1_000 }, () => outcome({ score: 0 }));
		const view = viewFrom(bad);
		expect(view.domains).toEqual(["*"]);
		expect([...view.evidence]).toEqual([0, 0, 0]);
		expect(learn(setup(MODELS), bad, [], NOW).sifted.observed).toHaveLength(1_000);
	});

	test("a shadow pair only when both answers were scored", () => {
		const [first, second] = pair({ model: "a", score: 1 }, { model: "b", score: 0 });
		expect(cell(viewFrom([first]), "*", "a").evidence).toBe(0);
		expect(cell(viewFrom([second]), "*", "b").evidence).toBe(0);
		const both = viewFrom([first, second]);
		expect(cell(both, "*", "a").evidence).toBe(1);
		expect(cell(both, "*", "b").evidence).toBe(1);
		expect(cell(both, "math", "a").level).toBeGreaterThan(cell(both, "math", "b").level);
	});

	test("a preference moves the ranking and no quality", () => {
		const view = viewFrom([outcome({ model: "c", over: { request: "r", model: "a" } })]);
		expect(Math.max(...view.evidence)).toBe(0);
		expect(view.strengths[2]!).toBeGreaterThan(view.strengths[0]!);
	});
});

describe("how much a word counts", () => {
	test("the order in which it was said does not matter", () => {
		const shuffled = anyOutcomes.chain((outcomes) =>
			fc.tuple(fc.constant(outcomes), fc.shuffledSubarray(outcomes, { minLength: outcomes.length })),
		);
		fc.assert(
			fc.property(shuffled, ([outcomes, others]) => {
				const [one, two] = [viewFrom(outcomes), viewFrom(others)];
				expect(two.domains).toEqual(one.domains);
				expect([...two.open]).toEqual([...one.open]);
				for (const name of ["evidence", "level", "shift", "strengths"] as const) {
					one[name].forEach((value, at) => expect(two[name][at]).toBeCloseTo(value, 4));
				}
			}),
		);
	});

	test("half after 30 days", () => {
		const old = viewFrom([explored({ at: NOW - 30 * DAY })]);
		expect(cell(old, "math", "a").evidence).toBeCloseTo(0.5, 6);
	});

	test("a model's word less than a user's, and a request is not believed twice", () => {
		const judged = explored({ source: "judge", score: 1 });
		expect(cell(viewFrom([judged]), "*", "a").evidence).toBeCloseTo(0.3, 6);
		const both = viewFrom([judged, { ...judged, source: "user", score: 0 }]);
		expect(cell(both, "*", "a")).toMatchObject({ evidence: 1 });
		expect(cell(both, "*", "a").level).toBeLessThan(0.5);
	});

	test("one key cannot outweigh all others", () => {
		const loud = Array.from({ length: 5_000 }, () => explored({ key: "loud", score: 0 }));
		const others = Array.from({ length: 400 }, (_, n) => explored({ key: `key_${n % 40}`, score: 1 }));
		const view = viewFrom([...loud, ...others]);
		expect(cell(view, "*", "a").evidence).toBeCloseTo(800, 3);
		expect(cell(view, "*", "a").level).toBeCloseTo(0.5, 1);
		expect(cell(viewFrom(loud), "*", "a").evidence).toBeCloseTo(KEY_WEIGHT_FLOOR, 3);
	});

	test("labelled prompts do not age, and are capped by no key", () => {
		const anchor: AnchorRow = { domains: [{ name: "math", p: 1 }], scores: { a: 1, b: 0 }, cards: { a: 0.8 } };
		const anchors = Array.from({ length: 300 }, () => anchor);
		const view = viewFrom([], anchors, NOW + 300 * DAY);
		expect(cell(view, "math", "a")).toMatchObject({ evidence: 300 });
		expect(cell(view, "math", "a").shift).toBeCloseTo(0.2, 6);
		expect([...view.labelled]).toEqual([1, 1, 0]);
	});
});

describe("models that leave shadow", () => {
	const pairs = (count: number, model: string, better: number): Outcome[] =>
		Array.from({ length: count }, (_, n) =>
			pair({ model: "a", score: n % 2 }, { model, score: n % 10 < better ? 1 : 0, propensity: 0.5 }),
		).flat();

	test("do so with enough pairs that are no worse than the incumbent's, in the domain where those were", () => {
		const view = viewFrom(pairs(100, "b", 7));
		expect(cell(view, "math", "b").open).toBe(true);
		expect(cell(view, "math", "c").open).toBe(false);
	});

	test("not with fewer than 70, nor when they are worse", () => {
		expect(cell(viewFrom(pairs(60, "b", 9)), "math", "b").open).toBe(false);
		expect(cell(viewFrom(pairs(100, "b", 3)), "math", "b").open).toBe(false);
	});

	test("not by what they were chosen for", () => {
		const chosen = Array.from({ length: 500 }, () => outcome({ model: "b", score: 1 }));
		expect(cell(viewFrom([...chosen, ...pairs(20, "b", 9)]), "math", "b").open).toBe(false);
	});
});
