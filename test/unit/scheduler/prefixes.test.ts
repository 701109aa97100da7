import { describe, expect, test } from "vitest";
import { explain } from "../../../src/shared/objective/explain.ts";
import type { AssignReply, RankedReplica } from "../../../src/shared/scheduler/messages.ts";
import { ended, mail, MIXED, outcomeOf, request, rig, T0 } from "./support.ts";

/** Two equal GPUs with room for many, and a commercial API that sells cached tokens cheaper. */
const TWINS = { ...MIXED, pools: [{ ...MIXED.pools[0]!, max_concurrency: 64 }] };
const API = {
	...MIXED,
	pools: [
		{
			...MIXED.pools[2]!,
			context_length: 32_000,
			price: { per: "million_tokens" as const, input: 2, output: 6, cached_input: 0.2 },
		},
	],
};

/** 16,000 bytes, 4,000 tokens, 31 blocks. */
const BYTES = 16_000;

function prefix(conversation: number, blocks = 31): Uint32Array {
	return Uint32Array.from({ length: 2 * blocks }, (_, i) => Math.imul(conversation * 1_000 + i + 1, 0x9e3779b1));
}

function asked(chain: Uint32Array, change: Parameters<typeof request>[0] = {}) {
	return request({ prefix: chain, promptBytes: BYTES, promptTokensMax: BYTES, ...change });
}

function best(reply: AssignReply): RankedReplica {
	if (reply.kind !== "assigned") throw new Error(reply.kind);
	return reply.ranked[0]!;
}

const ONLY_A = { exclude: ["h100/b"] };

const answered = (reservation: string, cachedTokens: number | null) =>
	mail({ ended: [ended(reservation, { promptTokens: 4_000, cachedTokens })] });

describe("a prompt", () => {
	test("goes where its prefix is, is expected sooner there, and says so", () => {
		const { core } = rig(TWINS);
		const [first, other, again] = [asked(prefix(1)), asked(prefix(2)), asked(prefix(1))];
		const cold = best(core.assign(first, T0));
		expect(cold.expectedCachedTokens).toBe(0);
		expect(outcomeOf(core.assign(other, T0))).not.toBe(cold.replica);
		core.mail(answered(first.reservation, 0), T0 + 2);
		core.mail(answered(other.reservation, 0), T0 + 2);

		const reply = core.assign(again, T0 + 3);
		const warm = best(reply);
		expect(warm.replica).toBe(cold.replica);
		expect(warm.expectedCachedTokens).toBe(31 * 128);
		expect(warm.expectedTtft).toBeLessThan(cold.expectedTtft);
		const lines = reply.kind === "assigned" ? explain(reply.explanation) : [];
		expect(lines.map((line) => "score" in line && line.expected_cached_tokens)).toEqual([31 * 128, 0]);
		// Only what is not cached stands before the next one.
		expect(core.load(warm.replica, T0 + 3).pendingTokens).toBe(4_000 - 31 * 128);
	});

	test("is not sent after its prefix when the queue there costs more than computing it anew", () => {
		const { core } = rig(TWINS);
		const first = asked(prefix(1));
		const there = outcomeOf(core.assign(first, T0));
		core.mail(answered(first.reservation, 0), T0 + 1);
		const exclude = ["h100/a", "h100/b"].filter((name) => name !== there);
		for (let i = 0; i < 20; i++) core.assign(asked(prefix(50 + i), { exclude }), T0 + 1);
		expect(outcomeOf(core.assign(asked(prefix(1)), T0 + 1))).not.toBe(there);
	});

	test("pays the cached price for what is cached, and one token at least is computed", () => {
		const { core } = rig(API);
		const whole = prefix(1, 200);
		const first = best(core.assign(asked(whole), T0));
		const second = best(core.assign(asked(whole), T0));
		expect(second.expectedCachedTokens).toBe(3_999);
		expect(first.expectedUsd - second.expectedUsd).toBeCloseTo((3_999 * 1.8) / 1e6, 7);
	});

	test("of tokens counts its blocks in tokens", () => {
		const { core } = rig(TWINS);
		const change = { ...ONLY_A, prefixUnit: { of: "tokens", count: 16 } } as const;
		core.assign(asked(prefix(1), change), T0);
		expect(best(core.assign(asked(prefix(1), change), T0)).expectedCachedTokens).toBe(31 * 16);
	});
});

describe("siblings", () => {
	test("of one new prefix are computed once a replica, not once each", () => {
		const { core } = rig(TWINS);
		const given = Array.from({ length: 12 }, () => best(core.assign(asked(prefix(1)), T0)));
		const computed = given.filter(({ expectedCachedTokens }) => expectedCachedTokens === 0);
		expect(new Set(computed.map(({ replica }) => replica)).size).toBe(computed.length);
	});

	test.each(["failed", "client_gone"] as const)(
		"do not follow one that ended before its first token: %s",
		(outcome) => {
			const { core } = rig(TWINS);
			const first = asked(prefix(1));
			core.assign(first, T0);
			const change = { outcome, ttft: null, promptTokens: null, cachedTokens: null, outputTokens: null };
			core.mail(mail({ ended: [ended(first.reservation, change)] }), T0 + 1);
			expect(best(core.assign(asked(prefix(1)), T0 + 1)).expectedCachedTokens).toBe(0);
		},
	);

	test("do not follow one whose reservation ended by itself, nor one that a former life of the scheduler had sent", () => {
		const { core } = rig(TWINS);
		core.assign(asked(prefix(1), ONLY_A), T0);
		const stored = core.prefixes.snapshot("h100/a")!;
		const next = rig(TWINS).core;
		for (const part of stored.parts) next.prefixes.restore("h100/a", stored.baseUrl, part);
		expect(best(next.assign(asked(prefix(1), ONLY_A), T0 + 1)).expectedCachedTokens).toBe(0);
		core.tick(T0 + 46);
		expect(best(core.assign(asked(prefix(1), ONLY_A), T0 + 46)).expectedCachedTokens).toBe(0);
	});

	test("keep what one of them has computed when another fails", () => {
		const { core } = rig(TWINS);
		const [fails, succeeds] = [asked(prefix(1), ONLY_A), asked(prefix(1), ONLY_A)];
		core.assign(fails, T0);
		core.assign(succeeds, T0);
		core.mail(answered(succeeds.reservation, 0), T0 + 1);
		core.leave(fails.reservation, T0 + 1);
		expect(best(core.assign(asked(prefix(1), ONLY_A), T0 + 1)).expectedCachedTokens).toBe(31 * 128);
	});

	test("a request that the fallback had sent elsewhere is held there", () => {
		const { core } = rig(TWINS);
		const first = asked(prefix(1));
		const decided = outcomeOf(core.assign(first, T0));
		const went = decided === "h100/a" ? "h100/b" : "h100/a";
		core.mail(mail({ ended: [ended(first.reservation, { replica: went })] }), T0 + 1);
		const next = best(core.assign(asked(prefix(1)), T0 + 2));
		expect([next.replica, next.expectedCachedTokens]).toEqual([went, 31 * 128]);
	});
});

describe("what replicas report", () => {
	function answer(core: ReturnType<typeof rig>["core"], conversation: number, cachedTokens: number | null, at: number) {
		const one = asked(prefix(conversation), ONLY_A);
		core.assign(one, at);
		core.mail(answered(one.reservation, cachedTokens), at + 1);
	}

	test("three prompts in a row that hit nothing: it restarted, and is forgotten", () => {
		const { core } = rig(TWINS);
		for (let n = 0; n < 6; n++) answer(core, n, 0, T0 + 2 * n);
		for (let n = 0; n < 3; n++) answer(core, n, 0, T0 + 20 + 2 * n);
		expect(best(core.assign(asked(prefix(4), ONLY_A), T0 + 30)).expectedCachedTokens).toBe(0);
		expect(best(core.assign(asked(prefix(2), ONLY_A), T0 + 30)).expectedCachedTokens).toBeGreaterThan(3_000);
	});

	test("silence is not zero: what was sent there is believed to be there", () => {
		const silent = rig(TWINS).core;
		for (let n = 0; n < 20; n++) answer(silent, 1, null, T0 + 2 * n);
		const [a] = silent.prefixes.statistics().replicas;
		expect(a).toMatchObject({ scale: 1, trust: 1, answers: 0, unreported: 20, entries: 31 });
		expect(best(silent.assign(asked(prefix(1), ONLY_A), T0 + 60)).expectedCachedTokens).toBe(31 * 128);
	});

	test("silence of vLLM is a miss once it has told a count, until it begins anew; another engine's stays silence", () => {
		const { core } = rig(TWINS);
		for (let n = 0; n < 6; n++) answer(core, n, null, T0 + 2 * n);
		answer(core, 1, 3_968, T0 + 20);
		const of = () => core.prefixes.statistics().replicas[0]!;
		expect(of()).toMatchObject({ answers: 1, unreported: 6 });
		for (const n of [2, 3, 4]) answer(core, n, null, T0 + 22 + 2 * n);
		// Three in a row: it restarted.
		expect(of()).toMatchObject({ answers: 4, unreported: 6, predicted: 4 * 3_968, actual: 3_968 });
		expect(best(core.assign(asked(prefix(5), ONLY_A), T0 + 40)).expectedCachedTokens).toBe(0);
		core.prefixes.forget("h100/a");
		answer(core, 7, null, T0 + 42);
		expect(of()).toMatchObject({ answers: 4, unreported: 7 });

		const api = rig({ ...TWINS, pools: TWINS.pools.map((pool) => ({ ...pool, engine: "openai" as const })) }).core;
		answer(api, 1, 3_968, T0);
		answer(api, 1, null, T0 + 2);
		expect(api.prefixes.statistics().replicas[0]).toMatchObject({ answers: 1, unreported: 1 });
	});

	test("what a silent miss computed is learned as computed", () => {
		const { core } = rig(TWINS);
		const rate = () => core.learned().replicas["h100/a"]!.model;
		answer(core, 1, 3_968, T0);
		const twin = rig(TWINS).core;
		answer(twin, 1, 3_968, T0);
		for (const [each, cached] of [
			[core, null],
			[twin, 0],
		] as const)
			answer(each, 1, cached, T0 + 2);
		expect(rate()).toEqual(twin.learned().replicas["h100/a"]!.model);
	});

	test("possible, predicted and actual cached tokens are summed per replica", () => {
		const { core } = rig(TWINS);
		answer(core, 1, 0, T0);
		answer(core, 1, 3_968, T0 + 2);
		const [a, b] = core.prefixes.statistics().replicas;
		expect(a).toMatchObject({ answers: 2, prompt: 8_000, possible: 3_968, predicted: 3_968, actual: 3_968 });
		expect(b).toMatchObject({ answers: 0, entries: 0 });
	});
});

describe("what an engine tells by events", () => {
	/** `h100/a` holds the whole of any prompt that it is asked for. */
	function told() {
		const held = (chain: Uint32Array) => new Map(chain.length > 0 ? [["h100/a", 4_000]] : []);
		const { core } = rig(TWINS, {}, undefined, { extents: (chainFor) => held(chainFor("h100/a")) });
		core.prefixes.heard("h100/a", T0);
		let conversation = 100;
		const words = new Uint32Array(500);
		const tokens = { prefixUnit: { of: "tokens", count: 128 }, tokenChains: { salted: words, plain: words } } as const;
		const send = (at: number, cachedTokens: number): number => {
			const one = asked(prefix(conversation++), { ...ONLY_A, ...tokens });
			const { expectedCachedTokens = 0 } = best(core.assign(one, at));
			core.mail(answered(one.reservation, cachedTokens), at + 1);
			return expectedCachedTokens;
		};
		return { core, send };
	}

	test("is not believed after minutes of silence in which it computed, and is again when it is heard", () => {
		const { core, send } = told();
		expect(send(T0 + 1, 3_000)).toBe(3_999);
		// Nobody asked it to compute: there was nothing to tell.
		expect(send(T0 + 1_000, 3_999)).toBe(3_999);
		expect(send(T0 + 1_002, 3_000)).toBe(3_999);
		expect(core.prefixes.isSilent("h100/a")).toBe(true);
		expect(send(T0 + 1_004, 3_000)).toBe(0);
		core.prefixes.heard("h100/a", T0 + 1_006);
		expect(send(T0 + 1_007, 3_000)).toBe(3_999);
	});

	test("is believed as far as answers have borne out what was known of it", () => {
		const { core, send } = told();
		const { belief } = core.fleet.get("h100/a")!.cache!;
		for (let i = 0; i < 30; i++) belief.observe({ confirmed: 5_000, predicted: 5_000, actual: 0 });
		expect(send(T0, 0)).toBe(Math.floor(3_999 * belief.trust));
		expect(belief.trust).toBeLessThan(0.2);
	});
});

describe("the KV cache's room", () => {
	const small = {
		models: [{ ...MIXED.models[0]!, kv_bytes_per_token: 1_000_000 }],
		pools: [{ ...MIXED.pools[0]!, max_concurrency: 64 }],
	};

	test("long answers in flight make a replica that has nothing to prefill look as busy as it is", () => {
		// 55 GB at 1 MB a token: 55,000 tokens, or five of these.
		const { core } = rig(small);
		const long = { promptBytes: 32_000, promptTokensMax: 32_000, outputTokensMax: 5_000, choiceTokensMax: 5_000 };
		const given: string[] = [];
		for (let i = 0; i < 12; i++) {
			const one = request({ ...long, exclude: ["h100/b"] });
			core.assign(one, T0);
			core.mail(mail({ first: [{ reservation: one.reservation, ttft: 0.5, headers: null }] }), T0 + 1);
			given.push(one.reservation);
		}
		const load = core.load("h100/a", T0 + 1);
		expect([load.pendingTokens, load.decoding]).toEqual([0, 12]);
		const reply = core.assign(request({ ...long }), T0 + 1);
		expect(outcomeOf(reply)).toBe("h100/b");
		const [there, here] = reply.kind === "assigned" ? reply.ranked : [];
		expect(here!.expectedTtft).toBeGreaterThan(there!.expectedTtft + 1);
	});

	test("is no limit where the hardware is not known", () => {
		const { core } = rig({ ...API, pools: [{ ...API.pools[0]!, max_concurrency: 200 }] });
		const long = { promptBytes: 100_000, promptTokensMax: 100_000, outputTokensMax: 4_000, choiceTokensMax: 4_000 };
		const alone = request(long);
		const { expectedTtft } = best(core.assign(alone, T0));
		core.leave(alone.reservation, T0);
		for (let i = 0; i < 60; i++) {
			const one = request(long);
			core.assign(one, T0);
			core.mail(mail({ first: [{ reservation: one.reservation, ttft: 0.5, headers: null }] }), T0);
		}
		expect(core.load("api/a", T0).residentTokens).toBeGreaterThan(1_000_000);
		expect(best(core.assign(request(long), T0)).expectedTtft).toBeCloseTo(expectedTtft, 6);
	});

	test("a beginning that requests have in common takes room once", () => {
		const { core } = rig(small);
		for (let i = 0; i < 10; i++) core.assign(asked(prefix(1), ONLY_A), T0);
		const { heldTokens, residentTokens, outputTokens } = core.load("h100/a", T0);
		expect(heldTokens - outputTokens).toBeCloseTo(40_000, 6);
		expect(residentTokens - outputTokens).toBeCloseTo(4_000 + 9 * (4_000 - 3_968) + 3_968, 6);
	});
});

test("a shard takes for its own what its part of the traffic can fill of a replica's cache", () => {
	const [whole, quarter] = [undefined, 4].map((scheduler_shards) => {
		const model = { ...MIXED.models[0]!, kv_bytes_per_token: 131_072, ...(scheduler_shards && { scheduler_shards }) };
		const { core } = rig({ ...TWINS, models: [model] });
		const capacity = (): number => core.prefixes.statistics().replicas[0]!.capacity;
		const believed = capacity();
		core.prefixes.holdsAtMost("h100/a", 100_000);
		return [believed, capacity()] as const;
	});
	expect(quarter![0] / whole![0]).toBeCloseTo(1 / 4, 2);
	expect(quarter![1] / whole![1]).toBeCloseTo(1 / 4, 2);
});

describe("replicas that change", () => {
	function warmed() {
		const { core } = rig(TWINS);
		const first = asked(prefix(1));
		const name = outcomeOf(core.assign(first, T0));
		core.mail(answered(first.reservation, 0), T0 + 1);
		return { core, name };
	}

	test("one that restarted is forgotten by name", () => {
		const { core, name } = warmed();
		expect(core.prefixes.forget(name)).toBe(true);
		expect(core.prefixes.forget("nobody")).toBe(false);
		expect(best(core.assign(asked(prefix(1)), T0 + 2)).expectedCachedTokens).toBe(0);
	});

	test("what was stored serves the scheduler's next life, its belief in the cache too", () => {
		const { core, name } = warmed();
		for (let n = 0; n < 2; n++) {
			const one = asked(prefix(1), { exclude: ["h100/a", "h100/b"].filter((other) => other !== name) });
			core.assign(one, T0 + 2);
			core.mail(answered(one.reservation, 1_000), T0 + 3);
		}
		const stored = core.prefixes.changed().map((replica) => core.prefixes.snapshot(replica)!);
		const next = rig(TWINS, {}, JSON.parse(JSON.stringify(core.learned()))).core;
		for (const { replica, baseUrl, parts } of stored)
			for (const part of parts) expect(next.prefixes.restore(replica, baseUrl, part)).toBe(true);
		const exclude = ["h100/a", "h100/b"].filter((other) => other !== name);
		const warm = best(next.assign(asked(prefix(1), { exclude }), T0 + 4));
		expect(warm.expectedCachedTokens).toBeGreaterThan(1_000);
		const [before, after] = [core, next].map((each) =>
			each.prefixes.statistics().replicas.find(({ replica }) => replica === name)!,
		);
		expect([after!.scale, after!.trust]).toEqual([before!.scale, before!.trust]);
	});
});

test("a session decides between equal replicas where no block is known, and never against a prefix", () => {
	const { core } = rig(TWINS);
	const session = "s1";
	const short = { session, promptBytes: 200, promptTokensMax: 200 };
	const first = request({ ...short, exclude: ["h100/a"] });
	expect(outcomeOf(core.assign(first, T0))).toBe("h100/b");
	core.leave(first.reservation, T0 + 1);
	const other = request({ ...short, tenant: "other" });
	expect(outcomeOf(core.assign(other, T0 + 1))).toBe("h100/a");
	core.leave(other.reservation, T0 + 1);
	expect(outcomeOf(core.assign(request(short), T0 + 2))).toBe("h100/b");
});

test("explanations of older records, with seven numbers a replica, are still read", () => {
	const lines = explain({
		replicas: ["p/a", "p/b"],
		rejected: [0, 6],
		values: [1, 2, 3, 4, 5, 0.5, 6, 4, 4, 0, 0, 0, 0, 0],
	});
	expect(lines).toEqual([
		{
			replica: "p/a",
			score: 15,
			terms: { money: 1, congestion: 2, time: 3, late: 4, harm: 5 },
			expected_ttft_seconds: 0.5,
			expected_seconds: 6,
		},
		{ replica: "p/b", rejected: "concurrency", why: "4 requests in flight of at most 4" },
	]);
});
