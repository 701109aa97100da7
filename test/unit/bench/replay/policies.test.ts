import { describe, expect, test } from "vitest";
import { aibrix } from "../../../../bench/replay/policies/aibrix.ts";
import { OTHERS } from "../../../../bench/replay/policies/all.ts";
import { dynamo } from "../../../../bench/replay/policies/dynamo.ts";
import { leastRequests } from "../../../../bench/replay/policies/least-requests.ts";
import { llmdAffinity, llmdApproximate } from "../../../../bench/replay/policies/llm-d.ts";
import { lmetric } from "../../../../bench/replay/policies/lmetric.ts";
import type { Policy, ReplicaView } from "../../../../bench/replay/policies/policy.ts";
import { prefixRing } from "../../../../bench/replay/policies/prefix-ring.ts";
import { roundRobin } from "../../../../bench/replay/policies/round-robin.ts";
import { policyRouter } from "../../../../bench/replay/policies/router.ts";
import { sglangCli, sglangSmg } from "../../../../bench/replay/policies/sglang.ts";
import { smgLeastLoad } from "../../../../bench/replay/policies/smg-least-load.ts";
import { simulate } from "../../../../bench/replay/simulate.ts";
import { seeded } from "../../../simulator/random.ts";
import { PLAIN, requestOf, traceOf, viewOf } from "./support.ts";

/** 20 blocks. */
const REQUEST = requestOf(0, 10_240);

/** What a policy picks with its defaults, or with other settings. */
function pick<S>(policy: Policy<S>, views: Partial<ReplicaView>[], settings: S = policy.settings[0]!): number {
	return policy.create()(REQUEST, views.map(viewOf), settings, seeded(1));
}

test("round robin takes turns", () => {
	const choose = roundRobin.create();
	const views = [viewOf(), viewOf(), viewOf()];
	expect([0, 1, 2, 3].map(() => choose(REQUEST, views, null, seeded(1)))).toEqual([0, 1, 2, 0]);
});

test("least requests takes the least, and any of equals", () => {
	expect(pick(leastRequests, [{ inFlight: 3 }, { inFlight: 1 }, { inFlight: 2 }])).toBe(1);
	const rng = seeded(3);
	const equal = [viewOf(), viewOf({ inFlight: 1 }), viewOf()];
	const chosen = Array.from({ length: 50 }, () => leastRequests.create()(REQUEST, equal, null, rng));
	expect(new Set(chosen)).toEqual(new Set([0, 2]));
});

test("SMG least_load divides by the true rate and adds 0.15 k / (1 - k)", () => {
	// 30,240 / 12,000 s against 12,240 / 2,000 s.
	const views = [
		{ pendingTokens: 20_000, prefillTokensPerSecond: 12_000 },
		{ pendingTokens: 2_000, prefillTokensPerSecond: 2_000 },
	];
	expect(pick(smgLeastLoad, views)).toBe(0);
	// At a usage of 0.97 the term is 4.85 s.
	expect(pick(smgLeastLoad, [{ ...views[0], kvUsage: 0.97 }, views[1]!])).toBe(1);
	expect(pick(smgLeastLoad, [{ ...views[0], kvUsage: 0.97 }, views[1]!], { kvSeconds: 0 })).toBe(0);
});

test("the prefix ring sends equal beginnings to one replica, and past it when it has too much", () => {
	const home = pick(prefixRing, [{}, {}, {}, {}]);
	const choose = prefixRing.create();
	const settings = prefixRing.settings[0]!;
	const other = requestOf(5, 30_000);
	expect(choose(other, [viewOf(), viewOf(), viewOf(), viewOf()], settings, seeded(9))).toBe(home);
	const busy = [0, 1, 2, 3].map((n) => ({ inFlight: n === home ? 10 : 5 }));
	expect(pick(prefixRing, busy)).not.toBe(home);
});

describe("SGLang cache-aware", () => {
	test("follows the longest match above the threshold", () => {
		expect(pick(sglangCli, [{ matched: 7 }, { matched: 8, inFlight: 60 }])).toBe(1);
		// 35 % and 40 % are under SMG's threshold of a half.
		expect(pick(sglangSmg, [{ matched: 7 }, { matched: 8, inFlight: 30 }])).toBe(0);
	});

	test("takes the least loaded when loads differ by more than abs and by more than rel", () => {
		expect(pick(sglangCli, [{ inFlight: 0 }, { matched: 20, inFlight: 65 }])).toBe(0);
		expect(pick(sglangSmg, [{ inFlight: 0 }, { matched: 20, inFlight: 33 }])).toBe(0);
		expect(pick(sglangSmg, [{ inFlight: 400 }, { matched: 20, inFlight: 433 }])).toBe(1);
	});
});

test("LMetric multiplies what is to be computed by the requests there", () => {
	// 10,240 x 1 against 2,048 x 4 and 2,048 x 6.
	expect(pick(lmetric, [{}, { matched: 16, inFlight: 3 }])).toBe(1);
	expect(pick(lmetric, [{}, { matched: 16, inFlight: 5 }])).toBe(0);
	const loaded = [{}, { matched: 16, inFlight: 3, pendingTokens: 1_000 }];
	expect(pick(lmetric, loaded, { pending: true })).toBe(0);
});

describe("AIBrix", () => {
	test("takes the best match within one standard deviation of the mean", () => {
		// Mean 3, deviation 1.87: 5 is too much, 4 is not.
		const views = [
			{ inFlight: 1 },
			{ inFlight: 2, matched: 3 },
			{ inFlight: 4, matched: 9 },
			{ inFlight: 5, matched: 20 },
		];
		expect(pick(aibrix, views)).toBe(2);
		expect(pick(aibrix, views, { spread: 8, sigmas: 2 })).toBe(3);
	});

	test("takes the least busy when loads are far apart, or nothing matches", () => {
		expect(pick(aibrix, [{ inFlight: 0 }, { inFlight: 9, matched: 20 }])).toBe(0);
		expect(pick(aibrix, [{ inFlight: 3 }, { inFlight: 2 }])).toBe(1);
	});
});

test("llm-d adds twice the match to the queue's and the memory's room", () => {
	// 2 * 0.6 + 0 + 1 against 0 + 1 + 1.
	expect(pick(llmdApproximate, [{ matched: 12, waiting: 5 }, {}])).toBe(0);
	expect(pick(llmdApproximate, [{ matched: 8, waiting: 5 }, {}])).toBe(1);
	expect(pick(llmdApproximate, [{ matched: 12, waiting: 5, kvUsage: 0.9 }, {}])).toBe(1);
	expect(pick(llmdApproximate, [{ matched: 8 }, {}])).toBe(0);
});

describe("llm-d stick or spill", () => {
	test("sticks to the least loaded of those that hold four fifths", () => {
		expect(pick(llmdAffinity, [{}, { matched: 16, promptTokens: 900 }, { matched: 20, promptTokens: 800 }])).toBe(2);
		expect(pick(llmdAffinity, [{}, { matched: 15, promptTokens: 900 }])).toBe(0);
	});

	test("spills when sticking costs more than 18 s at 15,928 tokens a second", () => {
		const views = (pendingTokens: number) => [{}, { matched: 20, pendingTokens, promptTokens: pendingTokens }];
		// The other would have to compute 10,240 tokens.
		expect(pick(llmdAffinity, views(18 * 15_928 + 10_000))).toBe(1);
		expect(pick(llmdAffinity, views(18 * 15_928 + 10_500))).toBe(0);
	});
});

test("Dynamo adds prefill blocks after the overlap to active blocks, by the engine's own word", () => {
	// 20 + 20 against 20 - 15 + 20 and, with 30 active blocks, 5 + 30 + 20.
	expect(pick(dynamo, [{ newActiveBlocks: 20 }, { held: 15, newActiveBlocks: 20 }])).toBe(1);
	const busy = [{ newActiveBlocks: 20 }, { held: 15, newActiveBlocks: 20, activeBlocks: 30 }];
	expect(pick(dynamo, busy)).toBe(0);
	expect(pick(dynamo, busy, { prefillLoadScale: 4, overlapCredit: 1 })).toBe(1);
	expect(pick(dynamo, [{ newActiveBlocks: 20 }, { matched: 20, newActiveBlocks: 20, pendingTokens: 600 }])).toBe(0);
});

test("a router's own view follows what it sends, and is empty again at the end", () => {
	const seen: (readonly ReplicaView[])[] = [];
	const trace = traceOf([requestOf(0, 5_120, 2), requestOf(0.01, 6_000, 2), requestOf(30, 5_120)]);
	const snapshots: {
		inFlight: number;
		pendingTokens: number;
		promptTokens: number;
		matched: number;
		active: number;
	}[] = [];
	const choose = (_: unknown, views: readonly ReplicaView[]): number => {
		seen.push(views);
		const { inFlight, pendingTokens, promptTokens, matched, activeBlocks: active } = views[0]!;
		snapshots.push({ inFlight, pendingTokens, promptTokens, matched, active });
		return 0;
	};
	simulate(trace, [PLAIN], policyRouter(choose, seeded(1)));
	expect(snapshots).toEqual([
		{ inFlight: 0, pendingTokens: 0, promptTokens: 0, matched: 0, active: 0 },
		{ inFlight: 1, pendingTokens: 5_120, promptTokens: 5_120, matched: 10, active: 10 },
		{ inFlight: 0, pendingTokens: 0, promptTokens: 0, matched: 9, active: 0 },
	]);
});

test("every other router has an id, a title and its own defaults first", () => {
	expect(new Set(OTHERS.map(({ id }) => id)).size).toBe(OTHERS.length);
	for (const { variants } of OTHERS) expect(new Set(variants).size).toBe(variants.length);
});
