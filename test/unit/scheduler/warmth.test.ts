import { describe, expect, test } from "vitest";
import { explain } from "../../../src/shared/objective/explain.ts";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import { EXPLANATION_WIDTH } from "../../../src/shared/scheduler/explanation.ts";
import { fleetStatus } from "../../../src/shared/scheduler/status.ts";
import { throughJson } from "../perf/support.ts";
import { ended, mail, MIXED, outcomeOf, request, rig, T0 } from "./support.ts";
import { catalog, lineOf, pass, patient, start, warmth, zeroOnly } from "./warmth-support.ts";

describe("a cold pool", () => {
	test("is not met where a warm one is near in price, and the decision says why", () => {
		const { core } = rig(catalog({}, 0.2));
		const reply = core.assign(request(), T0);
		expect(outcomeOf(reply)).toBe("api/a");
		const line = lineOf(reply, "zero/a");
		expect(line.p_cold).toBe(0.95);
		expect(line.cold_seconds).toBeGreaterThan(9);
		// 0.95 of the start and the idle minute after it, at a tenth of a cent a second.
		expect(line.terms.start).toBeCloseTo(0.95 * 0.001 * (line.cold_seconds! + 60), 9);
		expect(line.expected_ttft_seconds).toBeGreaterThan(0.95 * line.cold_seconds!);
		expect(Object.values(line.terms).reduce((a, b) => a + b)).toBeCloseTo(line.score, 12);
		expect(lineOf(reply, "api/a")).toMatchObject({ p_cold: 0, terms: { start: 0, regret: 0 } });
	});

	test("is started by one request alone where waiting and the start are cheaper than going elsewhere", () => {
		const { core } = rig(catalog({}, 200));
		expect(outcomeOf(core.assign(request({}, patient), T0))).toBe("zero/a");
	});

	test("is met where nobody else can serve, with time for the start", () => {
		const { core } = rig(catalog());
		const reply = core.assign(request({ needs: ["chat", "tools"] }, zeroOnly), T0);
		expect(outcomeOf(reply)).toBe("zero/a");
		expect(reply.kind === "assigned" && reply.ranked[0]).toMatchObject({ startSecondsMax: expect.closeTo(31.7, 0) });
	});

	test("once it is warm it is the cheaper one, until it has been idle for its time", () => {
		const { core } = rig(catalog());
		const now = start(core, T0);
		const reply = pass(core, now + 59);
		expect(outcomeOf(reply)).toBe("zero/a");
		expect(lineOf(reply, "zero/a")).toMatchObject({ p_cold: 0, terms: { start: 0 } });
		expect(reply.kind === "assigned" && reply.ranked[0]).toMatchObject({ startSecondsMax: 0 });
		expect(warmth(core, now + 59 + 59).state).toBe("warm");
		expect(warmth(core, now + 59 + 61)).toMatchObject({ state: "cold", p_cold: 1 });
		expect(outcomeOf(core.assign(request(), now + 59 + 61))).toBe("api/a");
	});

	test("a price ceiling counts the seconds of the start that the tenant would be billed for", () => {
		const { core } = rig(catalog());
		// Two seconds of GPU would be under it.
		const asked = request({}, { ...zeroOnly, priceCeiling: 0.008 });
		expect(outcomeOf(core.assign(asked, T0))).toBe("constraint_unmet");
		const now = start(core, T0);
		expect(outcomeOf(core.assign(request({}, { ...zeroOnly, priceCeiling: 0.008 }), now))).toBe("zero/a");
	});
});

describe("a waking pool", () => {
	test("is joined when what is left is worth waiting for, and costs no further start", () => {
		const { core } = rig(catalog());
		core.assign(request({}, zeroOnly), T0);
		const soon = lineOf(core.assign(request({}, { regions: ["zero", "api"] }), T0 + 1), "zero/a");
		expect(soon).toMatchObject({ p_cold: 1, terms: { start: 0, regret: 0 } });
		const policy = { valueOfSecond: 0.0002, lateSecond: 0.0002 };
		expect(outcomeOf(core.assign(request({}, policy), T0 + 4))).toBe("zero/a");
		expect(outcomeOf(core.assign(request({}, { valueOfSecond: 0.02, lateSecond: 0.2 }), T0 + 4))).toBe("api/a");
	});

	test("counts with its residual time", () => {
		const { core } = rig(catalog());
		core.assign(request({}, zeroOnly), T0);
		const early = warmth(core, T0 + 1);
		const later = warmth(core, T0 + 8);
		expect(early).toMatchObject({ state: "waking", p_cold: 1, source: "request", age_seconds: 1 });
		expect(later.cold_seconds).toBeLessThan(early.cold_seconds);
	});

	test("lets a quarter of its places wait, the others stand in line here and are let in gradually", () => {
		const { core, turns } = rig(catalog());
		const asked = Array.from({ length: 6 }, () => request({ tenant: "many" }, zeroOnly));
		const given = asked.map((each) => outcomeOf(core.assign(each, T0)));
		expect(given).toEqual(["zero/a", "zero/a", "queued", "queued", "queued", "queued"]);
		core.mail(mail({ first: [{ reservation: asked[0]!.reservation, ttft: 10, headers: null }] }), T0 + 10);
		// The slow start: of eight places first as many as are taken, and all after five seconds.
		expect(turns).toEqual([]);
		core.tick(T0 + 12);
		expect(turns).toHaveLength(1);
		core.tick(T0 + 15);
		expect(turns.map(([, reply]) => outcomeOf(reply))).toEqual(["zero/a", "zero/a", "zero/a", "zero/a"]);
	});

	test("that refuses while it starts is tried by one request at a time", () => {
		const { core } = rig(catalog());
		const refused = request({}, zeroOnly);
		core.assign(refused, T0);
		const busy = { outcome: "failed", failure: "busy", ttft: null, seconds: 0.1, retryAfter: 1 } as const;
		core.mail(mail({ ended: [ended(refused.reservation, busy)] }), T0 + 0.1);
		expect(warmth(core, T0 + 1)).toMatchObject({ state: "waking", source: "refused" });
		expect(outcomeOf(core.assign(request({}, zeroOnly), T0 + 2))).toBe("zero/a");
		expect(outcomeOf(core.assign(request({}, zeroOnly), T0 + 2))).toBe("queued");
	});

	test("whose start fails is cold again, and what was regretted before counts no more", () => {
		const { core } = rig(catalog());
		const waker = request({}, zeroOnly);
		core.assign(waker, T0);
		const failed = { outcome: "failed", failure: "timeout", ttft: null, seconds: 100 } as const;
		core.mail(mail({ ended: [ended(waker.reservation, failed)] }), T0 + 100);
		expect(warmth(core, T0 + 100)).toMatchObject({ state: "cold", p_cold: 1, source: "failed", regret_usd: 0 });
	});

	test("whose waker hangs up goes on waking", () => {
		const { core } = rig(catalog());
		const waker = request({}, zeroOnly);
		core.assign(waker, T0);
		core.mail(mail({ ended: [ended(waker.reservation, { outcome: "client_gone", ttft: null, seconds: 2 })] }), T0 + 2);
		expect(warmth(core, T0 + 4)).toMatchObject({ state: "waking" });
		expect(warmth(core, T0 + 15).p_cold).toBeLessThan(0.5);
	});
});

describe("the wake rule", () => {
	test("no request starts it alone; all together do, once going elsewhere has cost more than the start", () => {
		const { core } = rig(catalog());
		let now = T0;
		let spilled = 0;
		while (outcomeOf(pass(core, (now += 0.2))) === "api/a" && spilled < 1_000) spilled++;
		// The start, its idle minute and one request's wait cost some 17 cents; each request paid 0.9 cents more elsewhere.
		expect(spilled).toBeGreaterThan(5);
		expect(spilled).toBeLessThan(40);
	});

	test("one waker: while it wakes the others go elsewhere or join, and nobody starts it again", () => {
		const { core } = rig(catalog());
		let now = T0;
		while (outcomeOf(core.assign(request(), (now += 0.2))) === "api/a");
		expect(warmth(core, now)).toMatchObject({ state: "waking", regret_usd: 0 });
		const given = Array.from({ length: 500 }, () => outcomeOf(core.assign(request(), now + 1)));
		// As the API fills up, as many join as may wait there.
		expect(given.filter((replica) => replica === "zero/a").length).toBeLessThanOrEqual(1);
		expect(warmth(core, now + 1)).toMatchObject({ state: "waking", age_seconds: 1, regret_usd: 0 });
	});

	test("rare requests never start it, however long it stays cold", () => {
		const { core } = rig(catalog());
		for (let n = 1; n <= 500; n++) expect(outcomeOf(pass(core, T0 + n * 600))).toBe("api/a");
	});

	test("requests that the pool could not serve regret nothing", () => {
		const { core } = rig(catalog({ capabilities: ["tools"] }));
		for (let n = 1; n <= 100; n++) pass(core, T0 + n * 0.1);
		expect(warmth(core, T0 + 10).regret_usd).toBe(0);
	});

	test("of a pool's cold replicas one is started, not all", () => {
		const replicas = ["a", "b", "c"].map((id) => ({ id, url: `http://zero-${id}.test` }));
		const { core } = rig(catalog({ replicas }));
		let now = T0;
		for (let n = 0; n < 60; n++) core.assign(request(), (now += 0.2));
		core.tick(now);
		const states = fleetStatus(core, now).replicas.map((each) => each.warmth?.state);
		expect(states.filter((state) => state === "waking")).toHaveLength(1);
	});
});

describe("learning", () => {
	test("a start is learned as one, and the replica's rates are not", () => {
		const { core } = rig(catalog());
		const rates = ({ fleet }: SchedulerCore) => fleet.replicas[0]!.model.ttft.snapshot();
		const before = rates(core);
		const now = start(core, T0, 20);
		expect(rates(core)).toEqual(before);
		expect(warmth(core, now)).toMatchObject({ state: "warm", p_cold: 0, source: "ttft" });
		expect(warmth(core, now + 100).cold_seconds).toBeGreaterThan(warmth(rig(catalog()).core, T0).cold_seconds);
		pass(core, now + 1, zeroOnly);
		expect(rates(core)).not.toEqual(before);
	});

	test("who joined a start tells of the same one, and counts once", () => {
		const { core } = rig(catalog());
		const [waker, joiner] = [request({}, zeroOnly), request({}, zeroOnly)];
		core.assign(waker, T0);
		core.assign(joiner, T0 + 8);
		core.mail(mail({ first: [{ reservation: joiner.reservation, ttft: 2.2, headers: null }] }), T0 + 10.2);
		core.mail(mail({ first: [{ reservation: waker.reservation, ttft: 10.3, headers: null }] }), T0 + 10.3);
		const [row] = Object.values(core.learned().warmth!["zero"]!.coldTimes);
		expect(row![3]).toBe(1);
		// The joiner's 2 s were the end of 10.
		expect(Math.exp(row![0]!)).toBeGreaterThan(9);
	});

	test("an answer that is not streamed tells by its whole time", () => {
		const { core } = rig(catalog());
		const waker = request({ stream: false }, zeroOnly);
		core.assign(waker, T0);
		core.mail(mail({ ended: [ended(waker.reservation, { ttft: null, seconds: 16 })] }), T0 + 16);
		expect(warmth(core, T0 + 16)).toMatchObject({ state: "warm", source: "ttft" });
	});

	test("a pool thought cold that answers at once was warm, and its time-out is longer than was thought", () => {
		const { core } = rig(catalog());
		const now = start(core, T0) + 300;
		const asked = request({}, zeroOnly);
		core.assign(asked, now);
		core.mail(mail({ first: [{ reservation: asked.reservation, ttft: 0.2, headers: null }] }), now + 0.2);
		const seen = warmth(core, now + 1);
		expect(seen).toMatchObject({ state: "warm", source: "answer" });
		expect(seen.idle_seconds).toBeCloseTo(Math.sqrt(60 * 300), 0);
	});

	test("a pool thought warm that answers as late as a start takes was cold, and its time-out is shorter", () => {
		const { core } = rig(catalog());
		const now = start(core, T0) + 20;
		const asked = request({}, zeroOnly);
		core.assign(asked, now);
		core.mail(mail({ first: [{ reservation: asked.reservation, ttft: 11, headers: null }] }), now + 11);
		expect(warmth(core, now + 11).idle_seconds).toBeCloseTo(Math.sqrt(60 * 20), 0);
	});

	test("warmth and what was learned of it survive an eviction, and a catalog that is read again", () => {
		const { core } = rig(catalog());
		const now = start(core, T0, 20);
		const again = rig(catalog(), {}, throughJson(core.learned())).core;
		expect(warmth(again, now + 5)).toEqual(warmth(core, now + 5));
		expect(warmth(again, now + 100)).toEqual(warmth(core, now + 100));
	});
});

describe("prefixes", () => {
	const prefix = Uint32Array.from({ length: 16 }, (_, i) => i * 2_654_435_761);

	test("of a replica that went cold are forgotten", () => {
		const { core } = rig(catalog());
		const now = start(core, T0);
		const asked = request({ prefix }, zeroOnly);
		core.assign(asked, now);
		core.mail(mail({ ended: [ended(asked.reservation)] }), now + 2);
		const held = () => core.prefixes.heldBy(core.fleet, prefix).map(({ replica }) => replica);
		core.tick(now + 50);
		expect(held()).toEqual(["zero/a"]);
		core.tick(now + 70);
		expect(held()).toEqual([]);
	});

	test("of the request that started it are kept", () => {
		const { core } = rig(catalog());
		const asked = request({ prefix }, zeroOnly);
		core.assign(asked, T0);
		core.mail(mail({ ended: [ended(asked.reservation, { ttft: 10, seconds: 11 })] }), T0 + 11);
		core.tick(T0 + 12);
		expect(core.prefixes.heldBy(core.fleet, prefix)).toMatchObject([{ replica: "zero/a" }]);
	});
});

test("starts beside others of the same provider are expected to take longer", () => {
	const more = catalog();
	more.pools.push({
		...more.pools[0]!,
		id: "other",
		place: { ...more.pools[0]!.place, region: "other" },
		replicas: [{ id: "a", url: "http://other.test" }],
	});
	const { core } = rig(more);
	const alone = warmth(core, T0).cold_seconds;
	core.assign(request({}, { regions: ["other"] }), T0);
	expect(warmth(core, T0).cold_seconds / alone).toBeCloseTo(2 ** 0.3, 2);
});

test("where no pool scales to zero nothing of it is explained, kept or shown", () => {
	const { core } = rig();
	const reply = core.assign(request(), T0);
	if (reply.kind !== "assigned") throw new Error("not assigned");
	expect(reply.explanation.values).toHaveLength(MIXED.pools.length * EXPLANATION_WIDTH + EXPLANATION_WIDTH);
	for (const line of explain(reply.explanation)) expect(line).not.toHaveProperty("p_cold");
	expect(core.learned()).not.toHaveProperty("warmth");
	expect(fleetStatus(core, T0).replicas.map((each) => each.warmth)).toEqual([null, null, null, null]);
});

describe("the bill of a request that waited for a start", () => {
	/** A stream whose first token comes after `ttft`, and which then lasts for `rest`; for the last ten
	 *  seconds a second request joins. */
	function bills(core: SchedulerCore, ttft: number, rest: number) {
		const [a, b] = [request({}, zeroOnly), request({}, zeroOnly)];
		core.assign(a, T0);
		core.mail(mail({ first: [{ reservation: a.reservation, ttft, headers: null }] }), T0 + ttft);
		const end = T0 + ttft + rest;
		expect(outcomeOf(core.assign(b, end - 10))).toBe("zero/a");
		return core.mail(
			mail({
				ended: [ended(a.reservation, { ttft, seconds: ttft + rest }), ended(b.reservation, { ttft: 0.1, seconds: 10 })],
			}),
			end,
		);
	}

	test("tells the seconds of the start apart from those of its answer, however many shared the latter", () => {
		const [first, second] = bills(rig(catalog()).core, 10, 20);
		// Alone but for half of the last ten seconds.
		expect(first!.seconds).toBeCloseTo(25, 6);
		expect(first!.startSeconds).toBeGreaterThan(9.5);
		expect(first!.startSeconds).toBeLessThan(10);
		expect(second!.seconds).toBeCloseTo(5, 6);
		expect(second).not.toHaveProperty("startSeconds");
	});

	test("tells of none where the pool was warm", () => {
		const { core } = rig(catalog());
		const now = start(core, T0);
		const warm = request({}, zeroOnly);
		core.assign(warm, now);
		const [bill] = core.mail(mail({ ended: [ended(warm.reservation, { ttft: 0.1, seconds: 2 })] }), now + 2);
		expect(bill).toEqual({ reservation: warm.reservation, seconds: expect.closeTo(2, 6) });
	});

	test("of a plain answer estimates them", () => {
		const { core } = rig(catalog());
		const plain = request({ stream: false }, zeroOnly);
		core.assign(plain, T0);
		const [bill] = core.mail(mail({ ended: [ended(plain.reservation, { ttft: null, seconds: 16 })] }), T0 + 16);
		expect(bill!.seconds).toBeCloseTo(16, 6);
		expect(bill!.startSeconds).toBeGreaterThan(5);
		expect(bill!.startSeconds).toBeLessThan(16);
	});

	describe("and left before its first token", () => {
		const gone = { outcome: "client_gone", ttft: null } as const;

		test("is all start, or what was expected of one where no token would have told", () => {
			const { core } = rig(catalog());
			const [leaver, plain] = [request({}, zeroOnly), request({ stream: false }, zeroOnly)];
			core.assign(leaver, T0);
			const [left] = core.mail(mail({ ended: [ended(leaver.reservation, { ...gone, seconds: 8 })] }), T0 + 8);
			expect(left).toMatchObject({ seconds: expect.closeTo(8, 6), startSeconds: left!.seconds });
			const other = rig(catalog()).core;
			other.assign(plain, T0);
			const [late] = other.mail(mail({ ended: [ended(plain.reservation, { ...gone, seconds: 40 })] }), T0 + 40);
			expect(late!.seconds).toBeCloseTo(40, 6);
			expect(late!.startSeconds).toBeGreaterThan(5);
			expect(late!.startSeconds).toBeLessThan(20);
		});

		test("is none of it where the pool was likely to be warm, or had begun", () => {
			const { core } = rig(catalog());
			const [waker, leaver] = [request({}, zeroOnly), request({}, zeroOnly)];
			core.assign(waker, T0);
			core.mail(mail({ first: [{ reservation: waker.reservation, ttft: 10, headers: null }] }), T0 + 10);
			const [begun] = core.mail(
				mail({ ended: [ended(waker.reservation, { ...gone, ttft: 10, seconds: 30 })] }),
				T0 + 30,
			);
			expect(begun!.startSeconds).toBeLessThan(10);
			core.assign(leaver, T0 + 31);
			const [warm] = core.mail(mail({ ended: [ended(leaver.reservation, { ...gone, seconds: 8 })] }), T0 + 39);
			expect(warm).toEqual({ reservation: leaver.reservation, seconds: expect.closeTo(8, 6) });
		});
	});
});
