import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { explain } from "../../../src/shared/objective/explain.ts";
import type { LearnedState } from "../../../src/shared/scheduler/learned.ts";
import type { AssignReply } from "../../../src/shared/scheduler/messages.ts";
import { ended, mail, MIXED, modelOf, outcomeOf, request, rig, T0 } from "./support.ts";

describe("choosing", () => {
	test("an idle reserved GPU wins: it is fast and costs nothing more", () => {
		const { core } = rig();
		const reply = core.assign(request(), T0);
		expect(outcomeOf(reply)).toBe("h100/a");
		expect(reply.kind === "assigned" && reply.ranked.map((r) => r.replica)).toEqual(["h100/a", "h100/b", "api/a"]);
	});

	test("load moves the next request to the other replica, and a full pool to the dearer one", () => {
		const { core } = rig();
		const given = Array.from({ length: 12 }, () => outcomeOf(core.assign(request(), T0)));
		expect(given.slice(0, 8).filter((r) => r === "h100/a")).toHaveLength(4);
		expect(given.slice(0, 8).filter((r) => r === "h100/b")).toHaveLength(4);
		expect(new Set(given.slice(8))).not.toContain("h100/a");
		expect(given.slice(8)).toContain("api/a");
	});

	test("the same reservation asked again gets the same answer and reserves once", () => {
		const { core } = rig();
		const asked = request();
		const first = core.assign(asked, T0);
		expect(core.assign(asked, T0 + 1)).toEqual(first);
		expect(core.inFlight).toBe(1);
	});

	test("a decision explains every replica: terms that add up for candidates, a rule for the others", () => {
		const { core } = rig();
		const reply = core.assign(request({ needs: ["chat", "tools"], exclude: ["h100/a"] }, { regions: ["eu"] }), T0);
		expect(outcomeOf(reply)).toBe("h100/b");
		if (reply.kind !== "assigned") throw new Error("not assigned");
		const lines = explain(reply.explanation);
		expect(lines.map((line) => [line.replica, "rejected" in line ? line.rejected : "candidate"])).toEqual([
			["h100/b", "candidate"],
			["h100/a", "excluded"],
			["l4/a", "region"],
			["api/a", "capability"],
		]);
		const [best] = lines;
		if (!best || !("score" in best)) throw new Error("no candidate");
		expect(Object.values(best.terms).reduce((a, b) => a + b)).toBeCloseTo(best.score, 12);
	});

	test("a higher value of time pays for speed, a lower one waits for the cheap pool", () => {
		const catalog = { ...MIXED, pools: MIXED.pools.filter((pool) => pool.id !== "h100") };
		const cheapApi = structuredClone(catalog);
		Object.assign(cheapApi.pools[1]!, {
			price: { per: "million_tokens", input: 0.001, output: 0.001 },
			rates: { prefill_tokens_per_second: 500, seconds_per_output_token: 0.2 },
		});
		expect(outcomeOf(rig(cheapApi).core.assign(request({}, { valueOfSecond: 1e-7, lateSecond: 1e-7 }), T0))).toBe(
			"api/a",
		);
		expect(outcomeOf(rig(cheapApi).core.assign(request({}, { valueOfSecond: 0.1, lateSecond: 1 }), T0))).toBe("l4/a");
	});
});

describe("what stands before a request", () => {
	const long = { promptBytes: 96_000, promptTokensMax: 96_000, exclude: ["h100/b", "l4/a", "api/a"] };

	test("counts as far as it is not computed yet, and anew from each first token", () => {
		const { core } = rig();
		const [first, second] = [request(long), request(long)];
		core.assign(first, T0);
		const all = core.load("h100/a", T0).pendingTokens;
		core.assign(second, T0);
		const expected = core.assign(request(long), T0);
		const ttft = expected.kind === "assigned" ? expected.ranked[0]!.expectedTtft : Number.NaN;
		expect(core.load("h100/a", T0).pendingTokens).toBe(3 * all);
		// Half-way to the last of the three first tokens, one and a half are left.
		expect(core.load("h100/a", T0 + ttft / 2).pendingTokens / all).toBeCloseTo(1.5, 1);
		// The first one came a little later than was expected, and the word of it later still.
		const late = ttft / 2;
		core.mail(mail({ first: [{ reservation: first.reservation, ttft: late, headers: null }] }), T0 + late + ttft / 6);
		expect(core.load("h100/a", T0 + late + ttft / 6).pendingTokens / all).toBeCloseTo(1.5, 1);
	});

	test("counts in full again at a replica that hangs", () => {
		const { core } = rig();
		const reply = core.assign(request(long), T0);
		const ttft = reply.kind === "assigned" ? reply.ranked[0]!.expectedTtft : Number.NaN;
		const pendingAfter = (seconds: number): number => core.load("h100/a", T0 + seconds).pendingTokens;
		const all = pendingAfter(0);
		expect(pendingAfter(0.95 * ttft) / all).toBeLessThan(0.1);
		expect(pendingAfter(1.5 * ttft) / all).toBeCloseTo(0.25, 1);
		expect(pendingAfter(3.1 * ttft)).toBe(all);
	});
});

describe("hard rules", () => {
	test.each([
		["context_too_long", request({ promptBytes: 400_000, promptTokensMax: 400_000 })],
		["capability_missing", request({ needs: ["chat", "vision"] })],
		["constraint_unmet", request({}, { regions: ["mars"] })],
		["constraint_unmet", request({}, { priceCeiling: -1 })],
	])("%s", (code, asked) => {
		expect(outcomeOf(rig().core.assign(asked, T0))).toBe(code);
	});

	test("a context that is too long names the longest there is", () => {
		const reply = rig().core.assign(request({ promptBytes: 400_000, promptTokensMax: 400_000 }), T0);
		expect(reply.kind === "refused" && reply.error.message).toContain("32000");
	});

	test("a model that the catalog dropped", () => {
		const { core } = rig();
		core.configure(undefined, T0);
		expect(outcomeOf(core.assign(request(), T0))).toBe("model_not_found");
	});
});

describe("liveness", () => {
	test("a reservation that nobody renews ends in 45 s; one that is renewed lives", () => {
		const { core } = rig();
		const [dead, alive] = [request(), request()];
		const replica = outcomeOf(core.assign(alive, T0));
		core.assign(dead, T0);
		const renewal = {
			reservation: alive.reservation,
			replica,
			tenant: "t",
			key: "k",
			promptTokens: 1_000,
			outputTokens: 100,
			started: true,
		};
		for (const age of [15, 30, 45, 60]) core.mail(mail({ renewals: [{ ...renewal, age }] }), T0 + age);
		expect(core.inFlight).toBe(1);
		core.mail(mail({}), T0 + 60 + 46);
		expect(core.inFlight).toBe(0);
	});

	test("renewals rebuild the load of an object that was evicted", () => {
		const { core } = rig();
		const renewals = Array.from({ length: 4 }, (_, i) => ({
			reservation: `old${i}`,
			replica: "h100/a",
			tenant: "t",
			key: "k",
			promptTokens: 1_000,
			outputTokens: 100,
			started: true,
			age: 20,
		}));
		core.mail(mail({ renewals }), T0);
		expect(core.load("h100/a", T0).inFlight).toBe(4);
		expect(outcomeOf(core.assign(request(), T0))).toBe("h100/b");
		core.mail(mail({ ended: renewals.map((r) => ended(r.reservation)) }), T0 + 1);
		expect(core.load("h100/a", T0 + 1).inFlight).toBe(0);
	});

	test("a replica that refuses connections is put aside; after its pause one request tries it, and then it starts slowly", () => {
		const only = { ...MIXED, pools: [{ ...MIXED.pools[2]!, max_concurrency: 64 }] };
		const { core } = rig(only);
		const asked = request();
		core.assign(asked, T0);
		core.mail(
			mail({ ended: [ended(asked.reservation, { outcome: "failed", failure: "connect", ttft: null })] }),
			T0 + 0.1,
		);
		const refusal = core.assign(request(), T0 + 0.2);
		expect(outcomeOf(refusal)).toBe("no_healthy_replica");
		expect(refusal.kind === "refused" && refusal.error.retryAfter).toBeGreaterThan(0);
		const trial = request();
		expect(outcomeOf(core.assign(trial, T0 + 2))).toBe("api/a");
		expect(outcomeOf(core.assign(request(), T0 + 2))).toBe("queued");
		core.mail(mail({ ended: [ended(trial.reservation)] }), T0 + 3);
		expect(core.waiting).toBe(0);
	});

	test("busy with Retry-After is respected to the second", () => {
		const { core } = rig({ ...MIXED, pools: [MIXED.pools[2]!] });
		const asked = request();
		core.assign(asked, T0);
		core.mail(
			mail({ ended: [ended(asked.reservation, { outcome: "failed", failure: "busy", retryAfter: 7, ttft: null })] }),
			T0,
		);
		expect(outcomeOf(core.assign(request(), T0 + 6.9))).toBe("no_healthy_replica");
		expect(outcomeOf(core.assign(request(), T0 + 7.1))).toBe("api/a");
	});
});

describe("overload", () => {
	const small = {
		...MIXED,
		pools: [{ ...MIXED.pools[0]!, replicas: [MIXED.pools[0]!.replicas[0]!], max_concurrency: 2 }],
	};

	test("who finds every place taken waits, and gets the first that is free", () => {
		const { core, turns } = rig(small);
		const [a, b, c] = [request(), request(), request()];
		core.assign(a, T0);
		core.assign(b, T0);
		expect(outcomeOf(core.assign(c, T0))).toBe("queued");
		expect(core.assign(c, T0).kind).toBe("queued");
		core.mail(mail({ ended: [ended(a.reservation)] }), T0 + 1);
		expect(turns).toHaveLength(1);
		expect(turns[0]![0]).toBe(c.reservation);
		expect(turns[0]![1]).toMatchObject({ kind: "assigned", waited: 1 });
		expect(core.inFlight).toBe(2);
	});

	test("what cannot meet its deadline is shed at once, with a time to come back", () => {
		const { core } = rig(small);
		for (let i = 0; i < 40; i++) core.assign(request({}, { waitingMax: 600 }), T0);
		const reply = core.assign(request({}, { waitingMax: 0.5 }), T0);
		expect(outcomeOf(reply)).toBe("overloaded");
		expect(reply.kind === "refused" && reply.error.retryAfter).toBeGreaterThanOrEqual(1);
	});

	test("nothing waits longer than it said", () => {
		const { core, turns } = rig(small);
		for (let i = 0; i < 2; i++) core.assign(request(), T0);
		const waiting = request({}, { waitingMax: 5 });
		expect(outcomeOf(core.assign(waiting, T0))).toBe("queued");
		core.tick(T0 + 5.1);
		expect(turns.map(([id, reply]) => [id, outcomeOf(reply)])).toEqual([[waiting.reservation, "overloaded"]]);
	});

	test("tenants share what is free by their keys' weights", () => {
		const { core, turns } = rig(small);
		const running = [request(), request()];
		for (const asked of running) core.assign(asked, T0);
		const names = new Map<string, string>();
		for (let i = 0; i < 12; i++) {
			for (const [tenant, fairWeight] of [
				["gold", 3],
				["plain", 1],
			] as const) {
				const asked = request({ tenant }, { fairWeight, waitingMax: 600 });
				names.set(asked.reservation, tenant);
				expect(outcomeOf(core.assign(asked, T0))).toBe("queued");
			}
		}
		core.mail(mail({ ended: running.map((r) => ended(r.reservation)) }), T0 + 1);
		for (let i = 0; i < 10; i++) core.mail(mail({ ended: [ended(turns[i]![0])] }), T0 + 2);
		const served = turns.map(([id]) => names.get(id));
		expect(served).toHaveLength(12);
		expect(served.filter((tenant) => tenant === "gold")).toHaveLength(9);
	});

	test("a client that leaves frees its place", () => {
		const { core } = rig(small);
		for (let i = 0; i < 2; i++) core.assign(request(), T0);
		const waiting = request();
		core.assign(waiting, T0);
		core.leave(waiting.reservation, T0 + 1);
		expect(core.waiting).toBe(0);
	});

	test("a retry needs room in the retry budget", () => {
		const { core } = rig({ ...MIXED, pools: [MIXED.pools[2]!] }, { retryShareMax: 0 });
		const outcomes = Array.from({ length: 8 }, () => {
			const asked = request({ retry: true });
			const reply = core.assign(asked, T0);
			core.mail(mail({ ended: [ended(asked.reservation)] }), T0);
			return outcomeOf(reply);
		});
		expect(outcomes.filter((o) => o === "api/a").length).toBeLessThan(8);
		expect(outcomes).toContain("no_healthy_replica");
	});
});

describe("learning", () => {
	test("answers that are slower than the prior move the choice", () => {
		const { core } = rig();
		let now = T0;
		for (let i = 0; i < 30; i++) {
			const asked = request({ exclude: ["h100/b", "l4/a", "api/a"] });
			core.assign(asked, (now += 1));
			core.mail(mail({ ended: [ended(asked.reservation, { ttft: 20, seconds: 40 })] }), (now += 0.5));
		}
		expect(outcomeOf(core.assign(request(), now))).toBe("h100/b");
		const before = core.learned();
		expect(Object.keys(before.replicas)).toContain("h100/a");
	});

	test("what was learned comes back after an eviction, for a replica at the same URL only", () => {
		const before = rig();
		let now = T0;
		for (let i = 0; i < 30; i++) {
			const asked = request({ exclude: ["h100/b", "l4/a", "api/a"] });
			before.core.assign(asked, (now += 1));
			before.core.mail(mail({ ended: [ended(asked.reservation, { ttft: 20, seconds: 40 })] }), (now += 0.5));
		}
		const learned = JSON.parse(JSON.stringify(before.core.learned())) as LearnedState;
		expect(outcomeOf(rig(MIXED, {}, learned).core.assign(request(), now))).toBe("h100/b");
		const moved = structuredClone(MIXED);
		moved.pools[0]!.replicas[0]!.url = "http://elsewhere.test";
		expect(outcomeOf(rig(moved, {}, learned).core.assign(request(), now))).toBe("h100/a");
	});
});

test("shares of GPU time are billed and add up to the busy time", () => {
	const { core } = rig({ ...MIXED, pools: [MIXED.pools[1]!] });
	const [a, b] = [request(), request()];
	core.assign(a, T0);
	core.assign(b, T0 + 5);
	const bills = [
		...core.mail(mail({ ended: [ended(a.reservation)] }), T0 + 10),
		...core.mail(mail({ ended: [ended(b.reservation)] }), T0 + 12),
	];
	expect(bills.map((bill) => bill.reservation)).toEqual([a.reservation, b.reservation]);
	const sum = bills.reduce((total, bill) => total + bill.seconds, 0);
	expect(sum).toBeCloseTo(12, 9);
});

test("an end that is told again, since the answer was late or lost, gets the same share and counts once", () => {
	const { core } = rig({ ...MIXED, pools: [MIXED.pools[1]!] });
	const [a, b] = [request(), request()];
	core.assign(a, T0);
	core.assign(b, T0 + 5);
	const end = mail({ ended: [ended(a.reservation, { outcome: "failed", failure: "status" })] });
	const bills = core.mail(end, T0 + 10);
	expect(bills).toEqual([{ reservation: a.reservation, seconds: expect.closeTo(7.5, 9) }]);
	// Five failures in a row would set the replica aside.
	for (let i = 0; i < 5; i++) expect(core.mail(end, T0 + 11 + i)).toEqual(bills);
	expect(outcomeOf(core.assign(request(), T0 + 16))).toBe("l4/a");
	expect(core.mail(end, T0 + 10 + 119)).toEqual(bills);
});

test("the share of what the fallback had sent is told again too, and its failure counts once", () => {
	const { core } = rig({ ...MIXED, pools: [MIXED.pools[1]!] });
	const renewal = { replica: "l4/a", tenant: "t", key: "k", promptTokens: 9, outputTokens: 1, started: true, age: 1 };
	core.mail(mail({ renewals: [{ ...renewal, reservation: "f" }] }), T0);
	const end = mail({ ended: [ended("f", { replica: "l4/a", outcome: "failed", failure: "status" })] });
	// It was a second old when it was first heard of.
	for (let i = 0; i < 5; i++) expect(core.mail(end, T0 + 4)).toEqual([{ reservation: "f", seconds: 5 }]);
	expect(outcomeOf(core.assign(request(), T0 + 5))).toBe("l4/a");
});

test.each([
	["another price by time", { per: "gpu_second" as const, usd: 1 }],
	["a price by the token", { per: "million_tokens" as const, input: 1, output: 1 }],
])("a pool that gets %s still tells the shares of what was in flight: their price was fixed before", (_, price) => {
	const catalog = { ...MIXED, pools: [MIXED.pools[1]!] };
	const { core } = rig(catalog);
	const asked = request();
	core.assign(asked, T0);
	core.configure(modelOf({ ...catalog, pools: [{ ...MIXED.pools[1]!, price }] }), T0 + 1);
	expect(core.mail(mail({ ended: [ended(asked.reservation)] }), T0 + 3)).toEqual([
		{ reservation: asked.reservation, seconds: 3 },
	]);
});

test("whatever comes in whatever order: limits hold, every request has one answer, nothing is left over", () => {
	const step = fc.record({
		kind: fc.constantFrom("assign", "end", "fail", "leave", "renew", "tick"),
		who: fc.nat(30),
		after: fc.double({ min: -2, max: 20, noNaN: true }),
	});
	fc.assert(
		fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
			const { core, turns } = rig(MIXED, { waitingRoomMax: 5, waitingRoomTenantMax: 4 });
			const limits = { "h100/a": 4, "h100/b": 4, "l4/a": 4, "api/a": 8 };
			const names = new Map<number, string>();
			const replies = new Map<string, AssignReply>();
			let now = T0;
			for (const { kind, who, after } of steps) {
				now += after;
				const asked = request({ tenant: `t${who % 3}` }, { waitingMax: 10 });
				const reservation = names.get(who) ?? asked.reservation;
				if (kind === "assign") {
					names.set(who, asked.reservation);
					replies.set(asked.reservation, core.assign(asked, now));
				} else if (kind === "end") core.mail(mail({ ended: [ended(reservation)] }), now);
				else if (kind === "fail")
					core.mail(mail({ ended: [ended(reservation, { outcome: "failed", failure: "status" })] }), now);
				else if (kind === "leave") core.leave(reservation, now);
				else if (kind === "renew")
					core.mail(
						mail({
							renewals: [
								{
									reservation,
									replica: "l4/a",
									tenant: "t",
									key: "k",
									promptTokens: 10,
									outputTokens: 10,
									started: false,
									age: 1,
								},
							],
						}),
						now,
					);
				else core.tick(now);
				expect(core.waiting).toBeLessThanOrEqual(5);
				if (!steps.some((s) => s.kind === "renew")) {
					for (const [replica, limit] of Object.entries(limits))
						expect(core.load(replica, now).inFlight).toBeLessThanOrEqual(limit);
				}
			}
			const answered = turns.map(([id]) => id);
			expect(new Set(answered).size).toBe(answered.length);
			for (const id of answered) expect(replies.get(id)?.kind).toBe("queued");
			core.tick(now + 1_000);
			core.tick(now + 2_000);
			expect(core.waiting).toBe(0);
			expect(core.inFlight).toBe(0);
		}),
		{ numRuns: 200 },
	);
});
