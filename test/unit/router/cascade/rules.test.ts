import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { acceptanceThreshold } from "../../../../src/shared/router/cascade/acceptance.ts";
import { agreement } from "../../../../src/shared/router/cascade/agreement.ts";
import { stopBefore } from "../../../../src/shared/router/cascade/budget.ts";
import { costGuard } from "../../../../src/shared/router/cascade/cost-guard.ts";
import { EscalationRates } from "../../../../src/shared/router/cascade/escalation-rates.ts";
import { FAILED, type Judged } from "../../../../src/shared/router/cascade/judged.ts";
import { ladderOf } from "../../../../src/shared/router/cascade/ladder-of.ts";
import { bestSoFar, nextStep } from "../../../../src/shared/router/cascade/ladder.ts";
import { quality, rung, says, PROSE, REFUSED, TERMS, TOP, LADDER } from "./fixtures.ts";

describe("agreement", () => {
	test("probabilities sum to 1 at most, and those who agree are surer than either alone", () => {
		fc.assert(
			fc.property(
				fc.array(fc.record({ quality, key: fc.constantFrom("1", "2", "3") }), { minLength: 1, maxLength: 5 }),
				(voters) => {
					const groups = agreement(voters.map((each) => ({ ...each, key: { kind: "number", key: each.key } })));
					expect(groups.reduce((sum, { probability }) => sum + probability, 0)).toBeLessThanOrEqual(1 + 1e-9);
					expect(groups.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(
						voters.map((_, index) => index),
					);
				},
			),
		);
		const both = agreement([0.79, 0.7].map((each) => ({ quality: each, key: { kind: "number", key: "1" } })));
		// ZeroEval, gpt-4o-mini and gemini-1.5-flash: 0.951 right of what they agree on.
		expect(both[0]!.probability).toBeGreaterThan(0.9);
		expect(both[0]!.probability).toBeLessThan(0.99);
	});

	test("does not depend on who comes first", () => {
		fc.assert(
			fc.property(quality, quality, fc.boolean(), (a, b, same) => {
				const voters = [
					{ quality: a, key: { kind: "letter" as const, key: "A" } },
					{ quality: b, key: { kind: "letter" as const, key: same ? "A" : "B" } },
				];
				const sorted = (list: typeof voters) => agreement(list).map(({ probability }) => probability.toFixed(9));
				expect(sorted(voters)).toEqual(sorted([...voters].reverse()));
			}),
		);
	});
});

describe("the ladder", () => {
	test("asks the cheap ones first, takes what they agree on, and the top where they do not", () => {
		expect(nextStep(LADDER, TERMS, { judged: [null, null, null], verdict: undefined })).toEqual({
			kind: "call",
			rungs: [0],
		});
		expect(nextStep(LADDER, TERMS, { judged: [says("1"), null, null], verdict: undefined })).toEqual({
			kind: "call",
			rungs: [1],
		});
		expect(nextStep(LADDER, TERMS, { judged: [says("1"), says("1"), null], verdict: undefined })).toMatchObject({
			kind: "accept",
			rung: 0,
			why: "agreed",
		});
		expect(nextStep(LADDER, TERMS, { judged: [says("1"), says("2"), null], verdict: undefined })).toEqual({
			kind: "call",
			rungs: [2],
		});
		expect(nextStep(LADDER, TERMS, { judged: [says("1"), says("2"), says("3")], verdict: undefined })).toMatchObject({
			kind: "accept",
			rung: 2,
			why: "top",
		});
	});

	test("a top that failed leaves those that were not asked, the best first, and its own error when all have failed", () => {
		const next = (judged: (Judged | null)[]) => nextStep(LADDER, TERMS, { judged, verdict: undefined });
		expect(next([null, null, FAILED])).toEqual({ kind: "call", rungs: [0] });
		expect(next([REFUSED, null, FAILED])).toEqual({ kind: "call", rungs: [1] });
		expect(next([FAILED, says("1"), FAILED])).toMatchObject({ kind: "accept", rung: 1, why: "best_left" });
		expect(next([FAILED, FAILED, FAILED])).toMatchObject({ kind: "accept", rung: 2, why: "top" });
		// A refusal of the top is its answer.
		expect(next([null, null, REFUSED])).toMatchObject({ kind: "accept", rung: 2, why: "top" });
	});

	test("a fault goes straight to the top, prose asks no second model", () => {
		expect(nextStep(LADDER, TERMS, { judged: [REFUSED, null, null], verdict: undefined })).toEqual({
			kind: "call",
			rungs: [2],
		});
		expect(nextStep(LADDER, TERMS, { judged: [PROSE, null, null], verdict: undefined })).toEqual({
			kind: "call",
			rungs: [2],
		});
	});

	test("a top that failed leaves the best cheap answer; where all have faults the top's is given", () => {
		expect(nextStep(LADDER, TERMS, { judged: [says("1"), says("2"), FAILED], verdict: undefined })).toMatchObject({
			rung: 0,
			why: "best_left",
		});
		expect(nextStep(LADDER, TERMS, { judged: [REFUSED, null, REFUSED], verdict: undefined })).toMatchObject({
			rung: 2,
			why: "top",
		});
	});

	test("ends within four steps whatever is answered, and accepts only what was answered", () => {
		const answer = fc.constantFrom(says("1"), says("2"), PROSE, REFUSED, FAILED);
		const verdict = fc.constantFrom(true, false, null);
		fc.assert(
			fc.property(
				fc.array(answer, { minLength: 3, maxLength: 3 }),
				verdict,
				fc.boolean(),
				quality,
				fc.double({ min: 0, max: 1, noNaN: true }),
				(answers, word, verifies, q, value) => {
					const ladder = { ...LADDER, top: { ...TOP, quality: q }, verifier: verifies ? rung("v") : null };
					const judged: (Judged | null)[] = [null, null, null];
					let spoken: boolean | null | undefined;
					for (let steps = 0; steps < 5; steps++) {
						const step = nextStep(ladder, { ...TERMS, valueOfQuality: value }, { judged, verdict: spoken });
						if (step.kind === "accept") {
							expect(judged[step.rung]).not.toBeNull();
							expect(step.probability).toBeGreaterThanOrEqual(0);
							return;
						}
						if (step.kind === "verify") {
							expect(spoken).toBeUndefined();
							spoken = word;
						} else
							for (const index of step.rungs) {
								expect(judged[index]).toBeNull();
								judged[index] = answers[index]!;
							}
					}
					expect.fail("it goes on for ever");
				},
			),
		);
	});

	test("the verifier is asked only inside the window, and its word decides", () => {
		const ladder = { cheap: [rung("a", { quality: 0.88 })], top: TOP, verifier: rung("v") };
		const terms = { ...TERMS, accept: 0.9 };
		const state = { judged: [says("1"), null], verdict: undefined };
		expect(nextStep(ladder, terms, state)).toEqual({ kind: "verify", rung: 0 });
		expect(nextStep(ladder, terms, { ...state, verdict: true })).toMatchObject({ kind: "accept", why: "verified" });
		expect(nextStep(ladder, terms, { ...state, verdict: false })).toEqual({ kind: "call", rungs: [1] });
		// Traffic whose scores mostly lie between this one and the threshold puts it outside.
		const scores = Array.from({ length: 100 }, (_, index) => 0.881 + index * 0.0002);
		expect(nextStep(ladder, { ...terms, settledScores: scores }, state)).toEqual({ kind: "call", rungs: [1] });
	});

	test("what quality is worth moves the threshold one way", () => {
		fc.assert(
			fc.property(
				quality,
				quality,
				fc.double({ min: 0, max: 1, noNaN: true }),
				fc.double({ min: 0, max: 1, noNaN: true }),
				(top, expected, a, b) => {
					const at = (value: number) =>
						acceptanceThreshold({ ...TOP, quality: top }, expected, { ...TERMS, valueOfQuality: value });
					expect(at(Math.min(a, b))).toBeLessThanOrEqual(at(Math.max(a, b)) + 1e-6);
				},
			),
		);
		expect(acceptanceThreshold(TOP, 0.8, { ...TERMS, valueOfQuality: 0 })).toBe(0);
	});

	test("without names the top is the best model, and below it stand the two cheapest", () => {
		const all = [
			rung("x", { usd: 0.01, quality: 0.9 }),
			TOP,
			rung("a", { usd: 0.0001 }),
			rung("b", { usd: 0.0002, quality: 0.8 }),
			rung("c", { usd: 0.001 }),
		];
		expect(ladderOf(all, null, null)).toMatchObject({ top: TOP, cheap: [{ model: "b" }, { model: "a" }] });
		expect(ladderOf(all, ["a", "gone", "x"], null)).toMatchObject({ top: { model: "x" }, cheap: [{ model: "a" }] });
		expect(ladderOf([TOP], null, null)).toBeNull();
		expect(ladderOf(all, ["gone", "x"], null)).toBeNull();
	});
});

describe("the cost guard", () => {
	test("never runs a ladder that is expected to cost more than its top", () => {
		const share = fc.double({ min: 0, max: 1, noNaN: true });
		const usd = fc.double({ min: 0, max: 0.01, noNaN: true });
		fc.assert(
			fc.property(usd, usd, usd, share, share, (weak, weak2, strong, rate, second) => {
				const ladder = {
					cheap: [rung("a", { usd: weak }), rung("b", { usd: weak2 })],
					top: rung("t", { usd: strong }),
					verifier: null,
				};
				const guard = costGuard(ladder, { second, verifier: 0 }, rate, {
					valueOfSecond: 0,
					secondsMax: Infinity,
					together: false,
				});
				expect(guard.run).toBe(weak + second * weak2 + rate * strong < strong);
			}),
		);
	});

	test("the case that cost 39 % more is stopped, and so is one that would take too long", () => {
		const cheap = [rung("a", { usd: 0.4 }), rung("b", { usd: 0.4 })];
		const three = { cheap, top: rung("t", { usd: 1.65 / 3 }), verifier: null };
		const free = { valueOfSecond: 0, secondsMax: Infinity, together: false };
		expect(costGuard(three, { second: 1, verifier: 0 }, 0.72, free).run).toBe(false);
		expect(costGuard(LADDER, { second: 1, verifier: 0 }, 0.35, free).run).toBe(true);
		expect(
			costGuard({ ...LADDER, top: { ...TOP, seconds: 0.5 } }, { second: 1, verifier: 0 }, 0.35, {
				...free,
				secondsMax: 1,
			}).run,
		).toBe(false);
		// A second is worth more than all that the ladder would save.
		expect(
			costGuard({ ...LADDER, top: { ...TOP, seconds: 1 } }, { second: 1, verifier: 0 }, 0.35, {
				...free,
				valueOfSecond: 1,
			}).run,
		).toBe(false);
	});

	test("rates begin with the prior, follow what is seen, and come back when nothing is", () => {
		const rates = new EscalationRates();
		const domains = [
			{ name: "math", p: 0.8 },
			{ name: "code", p: 0.2 },
		];
		expect(rates.rate("l", domains, 0.3, 0)).toBeCloseTo(0.3);
		for (let n = 0; n < 200; n++) rates.learn("l", [{ name: "math", p: 1 }], true, n);
		expect(rates.rate("l", domains, 0.3, 200)).toBeGreaterThan(0.8);
		expect(rates.rate("l", [{ name: "code", p: 1 }], 0.3, 200)).toBeCloseTo(0.3);
		expect(rates.rate("another", domains, 0.3, 200)).toBeCloseTo(0.3);
		expect(rates.rate("l", domains, 0.3, 200 + 86_400 * 20)).toBeCloseTo(0.3, 3);
	});
});

describe("a budget", () => {
	test("is never overdrawn by calls that cost what they may at most", () => {
		fc.assert(
			fc.property(fc.nat(1_000), fc.array(fc.nat(300)), fc.nat(6), (nano, worsts, calls) => {
				let spent = { nano: 0, seconds: 0, calls: 0 };
				for (const worst of worsts) {
					if (stopBefore({ nano, seconds: 10, calls }, spent, worst) === null)
						spent = { nano: spent.nano + worst, seconds: spent.seconds + 1, calls: spent.calls + 1 };
				}
				expect(spent.nano).toBeLessThanOrEqual(nano);
				expect(spent.calls).toBeLessThanOrEqual(calls);
				expect(spent.seconds).toBeLessThanOrEqual(10);
			}),
		);
		const free = { nano: Infinity, seconds: Infinity, calls: Infinity };
		const none = { nano: 0, seconds: 0, calls: 0 };
		expect(stopBefore(free, none, 1e15)).toBeNull();
		expect(stopBefore({ ...free, nano: 5 }, none, 6)).toBe("budget");
		expect(stopBefore({ ...free, seconds: 1 }, { ...none, seconds: 1 }, 0)).toBe("time");
		expect(stopBefore({ ...free, calls: 2 }, { ...none, calls: 2 }, 0)).toBe("calls");
	});

	test("that is used up leaves the best answer so far", () => {
		expect(bestSoFar(LADDER.cheap, [REFUSED, says("1")])).toBe(1);
		expect(bestSoFar(LADDER.cheap, [REFUSED, FAILED])).toBe(0);
		expect(bestSoFar(LADDER.cheap, [FAILED, null])).toBeNull();
	});
});
