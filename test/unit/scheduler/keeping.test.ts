import { describe, expect, test } from "vitest";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { KeepingCall } from "../../../src/shared/scheduler/keeping.ts";
import { seeded } from "../../simulator/random.ts";
import { ended, mail, modelOf, outcomeOf, request, rig, T0 } from "./support.ts";
import { catalog, patient, start, warmth, zeroOnly } from "./warmth-support.ts";
import { alone, kinds, Played, type Made } from "./keeping-support.ts";

describe("keeping warm", () => {
	test("a replica that is soon asked again gets a call before its time-out, and is let lapse when nobody comes", () => {
		const played = new Played(rig(alone()).core);
		// An idle second costs $0.001, and a start with its wait some $0.1: 100 s are worth that.
		played.pattern(40, 80, seeded(1));
		const { core } = played;
		played.ask();
		const last = played.now;
		const { made, wakes } = played.wait(last + 2_000);
		expect(kinds(made)).toEqual(["keep"]);
		expect(wakes).toEqual([]);
		// 10 s before the 60 s are over.
		expect(made[0]!.at - last).toBeGreaterThan(49);
		expect(made[0]!.at - last).toBeLessThan(52);
		expect(made.length).toBeLessThan(5);
		expect(warmth(core, last + 2_000)).toMatchObject({ state: "cold", p_cold: 1 });
		expect(core.keeping.nextAt).toBe(Infinity);
		expect(core.keeping.log.last.at(-1)).toMatchObject({ replica: "zero/a", act: "keep", reason: "demand" });
	});

	test("one that is asked once an hour is not kept", () => {
		const played = new Played(rig(alone({ cold_seconds: 1 })).core, { cold: 1 });
		played.pattern(3_600, 20);
		expect(played.pattern(3_600, 10).made).toEqual([]);
	});

	test("where another pool is almost as good it is not kept for what that costs more", () => {
		const played = new Played(rig(catalog({}, 0.6)).core);
		expect(played.pattern(150, 40)).toEqual({ made: [], wakes: [] });
		expect(played.ask()).toBe("api/a");
	});

	test("is not done where the operator does not want it, nor where an idle second costs nothing", () => {
		for (const input of [alone({ keep_warm: false }), alone({ idle_usd_per_hour: 0 })])
			expect(new Played(rig(input).core).pattern(40, 80, seeded(1))).toEqual({ made: [], wakes: [] });
	});

	test("a call that has to wait finds out that the time-out is shorter", () => {
		const played = new Played(rig(alone()).core);
		played.pattern(40, 80, seeded(1));
		played.ask();
		const { core, now: last } = played;
		core.tick(last + 51);
		const [call] = core.keeping.due(last + 51);
		expect(call?.kind).toBe("keep");
		expect(core.keeping.due(last + 53)).toEqual([]);
		core.keeping.done(call!, { state: "waking", at: last + 81, source: "plain_keep" }, true, last + 81);
		expect(warmth(core, last + 81).idle_seconds).toBeLessThan(60);
		expect(warmth(core, last + 81).state).toBe("waking");
	});
});

describe("starting before the request", () => {
	const slow = () => rig(alone({ cold_seconds: 40 }));

	test("a timer's replica is up when the timer fires, and cold between", () => {
		const played = new Played(slow().core, { cold: 40 });
		played.pattern(1_800, 40);
		played.ask();
		const { core, now: last } = played;
		played.wait(last + 900);
		expect(warmth(core, last + 900).p_cold).toBe(1);
		const { wakes } = played.wait(last + 1_799);
		expect(wakes).toHaveLength(1);
		expect(warmth(core, last + 1_799).p_cold).toBe(0);
		expect(core.keeping.log.last.some(({ act, reason }) => act === "wake" && reason === "demand")).toBe(true);
	});

	test("what was learned of the demand outlives the object", () => {
		const before = new Played(slow().core, { cold: 40 });
		before.pattern(1_800, 40);
		before.ask();
		const learned = JSON.parse(JSON.stringify(before.core.learned()));
		const after = new Played(rig(alone({ cold_seconds: 40 }), {}, learned).core, { cold: 40 });
		after.now = before.now + 100;
		expect(after.wait(before.now + 1_790).wakes).toHaveLength(1);
	});

	test("demand that went elsewhere counts: a cold pool does not stay cold for want of it", () => {
		// A hundred requests in half a minute every half hour, each of which saves a cent at the pool; a start costs 7.
		const played = new Played(rig(catalog({ max_concurrency: 64 })).core);
		const early: boolean[] = [];
		for (let n = 0; n < 40; n++) {
			const next = played.now + 1_800;
			const places = Array.from({ length: 100 }, () => {
				const to = played.ask();
				played.now += 0.01;
				played.wait(played.now + 0.05);
				return to;
			});
			early.push(places[0] === "zero/a");
			played.wait(next);
		}
		expect(early[0]).toBe(false);
		expect(early.slice(-10).filter(Boolean).length).toBeGreaterThan(7);
	});
});

describe("calls that fail", () => {
	/** How often something was due in so many seconds, at looks that follow at once on each failure. */
	function failures(core: SchedulerCore, from: number, seconds: number): number {
		let count = 0;
		for (let now = from; now < from + seconds; now += 0.05) {
			core.tick(now);
			for (const call of core.keeping.due(now)) {
				count++;
				core.keeping.done(call, null, false, now);
			}
		}
		return count;
	}

	test("to keep are made again later and later", () => {
		const played = new Played(rig(alone({ idle_seconds: 600 })).core, { idle: 600 });
		played.pattern(300, 40, seeded(1));
		played.ask();
		expect(failures(played.core, played.now + 590, 9)).toBeLessThan(3);
	});

	test("to let go, too; it stays warm, and a request finds it so", () => {
		const { core } = rig(alone({ kind: "vllm_sleep", idle_seconds: undefined, idle_usd_per_hour: 3.6 }));
		core.observe("zero/a", { state: "warm", at: T0, source: "vllm_sleep" }, T0);
		const played = new Played(core, { idle: Infinity, upUntil: Infinity });
		played.ask();
		const count = failures(core, T0 + 5, 600);
		expect(count).toBeGreaterThan(3);
		expect(count).toBeLessThan(10);
		expect(outcomeOf(core.assign(request({}, zeroOnly), T0 + 605.1))).toBe("zero/a");
		expect(core.fleet.replicas[0]!.health.phase.kind).not.toBe("slow_start");
	});

	test("to wake it in time are made again after the rest", () => {
		const played = new Played(rig(alone({ cold_seconds: 40 })).core, { cold: 40 });
		played.pattern(1_800, 40);
		played.ask();
		const { core, now: last } = played;
		let at = last;
		let wakes = 0;
		while (at < last + 1_795) {
			core.tick(at);
			core.keeping.due(at);
			for (const wake of core.wakes.due(at)) {
				wakes++;
				core.wakes.failed(wake, at);
				core.keeping.due(at);
			}
			at = Math.max(at + 1, Math.min(core.keeping.nextAt, last + 1_795));
		}
		expect(wakes).toBeGreaterThan(2);
		expect(wakes).toBeLessThan(8);
	});
});

describe("demand", () => {
	const seenOf = (core: SchedulerCore) => core.fleet.replicas[0]!.warmth!.demand;

	test("of those who waited for a place counts", () => {
		const { core } = rig(alone({ cold_seconds: 10 }), {});
		const now = start(core, T0) + 60;
		const asked = Array.from({ length: 12 }, () => request({}, zeroOnly));
		// Eight places.
		expect(asked.filter((each) => outcomeOf(core.assign(each, now)) === "queued").length).toBeGreaterThan(0);
		const { arrivals } = seenOf(core);
		for (const each of asked.slice(0, 8)) core.mail(mail({ ended: [ended(each.reservation)] }), now + 20);
		expect(seenOf(core).arrivals).toBeGreaterThan(arrivals);
		expect(seenOf(core).elapsed(now + 20)).toBe(0);
	});

	test("nothing is planned in the past, and nothing at all without pools that scale", () => {
		const shared = new Played(rig(alone({ sole_tenant: false })).core);
		shared.pattern(40, 20, seeded(3));
		for (let n = 0; n < 50; n++) {
			shared.wait(shared.now + 200);
			expect(shared.core.keeping.nextAt).toBeGreaterThan(shared.now - 1);
		}
		const { core } = shared;
		const [zero] = alone().pools;
		core.configure(modelOf({ ...alone(), pools: [{ ...zero!, scale_to_zero: undefined }] }), shared.now);
		expect(core.keeping.due(shared.now + 1)).toEqual([]);
		expect(core.keeping.nextAt).toBe(Infinity);
	});
});

describe("letting go", () => {
	const sleeper = (zero: object = {}) =>
		alone({ kind: "vllm_sleep", idle_seconds: undefined, cold_seconds: undefined, idle_usd_per_hour: 3.6, ...zero });
	function awake(zero: object = {}): Played {
		const { core } = rig(sleeper(zero));
		core.observe("zero/a", { state: "warm", at: T0, source: "vllm_sleep" }, T0);
		const played = new Played(core, { idle: Infinity, upUntil: Infinity });
		played.ask();
		return played;
	}

	test("an engine is put to sleep when the next request is far, and nothing is sent to it meanwhile", () => {
		const played = awake();
		const { made } = played.wait(T0 + 3_600);
		expect(kinds(made)).toEqual(["let_go"]);
		expect(made[0]!.at - T0).toBeGreaterThan(1);
		const { core } = played;
		expect(warmth(core, T0 + 3_600)).toMatchObject({ state: "asleep", source: "let_go" });
		expect(outcomeOf(core.assign(request({}, zeroOnly), T0 + 3_601))).toBe("queued");
		expect(core.wakes.due(T0 + 3_601)).toHaveLength(1);
	});

	test("is not done to what is in use, nor where others use it, nor where the operator does not want it", () => {
		const { core } = awake();
		const long = request({}, zeroOnly);
		expect(outcomeOf(core.assign(long, T0 + 1))).toBe("zero/a");
		const renewal = { reservation: long.reservation, replica: "zero/a", tenant: "t", key: "k", promptTokens: 10 };
		for (let now = T0 + 2; now < T0 + 3_600; now += 20) {
			core.mail(mail({ renewals: [{ ...renewal, outputTokens: 10, started: true, age: now - T0 }] }), now);
			expect(core.keeping.due(now)).toEqual([]);
		}
		core.assign(request({}, zeroOnly), T0 + 3_700);
		expect(core.keeping.due(T0 + 3_700)).toEqual([]);
		// Nor where other shards may use it.
		const [model] = sleeper().models;
		const sharded = rig({ ...sleeper(), models: [{ ...model!, scheduler_shards: 2 }] }).core;
		sharded.observe("zero/a", { state: "warm", at: T0, source: "vllm_sleep" }, T0);
		sharded.assign(request({}, zeroOnly), T0);
		expect(new Played(sharded, { idle: Infinity, upUntil: Infinity }).wait(T0 + 3_600).made).toEqual([]);
		for (const zero of [{ sole_tenant: false }, { let_go: false }])
			expect(awake(zero).wait(T0 + 3_600).made).toEqual([]);
	});

	test("while the call is under way nobody wakes it; one that fails leaves it warm", () => {
		const { core } = awake();
		let call: KeepingCall | undefined;
		let now = T0;
		while (!call) {
			core.tick((now += 5));
			[call] = core.keeping.due(now);
		}
		expect(outcomeOf(core.assign(request({}, zeroOnly), now))).toBe("queued");
		expect(core.wakes.due(now)).toEqual([]);
		// What its status was before the call is no news.
		core.observe("zero/a", { state: "warm", at: now + 0.5, source: "vllm_sleep" }, now + 0.5);
		expect(warmth(core, now + 0.5).state).toBe("asleep");
		core.keeping.done(call, null, false, now + 1);
		expect(warmth(core, now + 1)).toMatchObject({ state: "warm", source: "let_go_failed" });
	});

	test("a time-out that was set by the first burst is set anew when it shows how long the silence after it is", () => {
		const settings_url = "https://rest.runpod.test/v1/endpoints/e";
		const { core } = rig(alone({ kind: "runpod_queue", idle_seconds: 5, settings_url }));
		const played = new Played(core, { idle: 5 });
		const early = played.pattern(2, 30, seeded(4)).made.filter(({ kind }) => kind === "idle_timeout");
		expect(early).toHaveLength(1);
		expect(early[0]!.seconds).toBeGreaterThan(30);
		const later: Made[] = [];
		for (let burst = 0; burst < 8; burst++) {
			later.push(...played.wait(played.now + 3_000).made, ...played.pattern(2, 15, seeded(5 + burst)).made);
		}
		const set = [...early, ...later.filter(({ kind }) => kind === "idle_timeout")];
		expect(set[1]!.seconds).toBeLessThan(early[0]!.seconds! / 1.5);
		expect(set[1]!.at - set[0]!.at).toBeLessThan(3_500);
		// Each pause is twice as long as the one before.
		set.slice(1).forEach(({ at }, n) => expect(at - set[n]!.at).toBeGreaterThanOrEqual(120 * 2 ** Math.min(n, 4)));
	});

	test("a provider is told the time-out that pays, once an hour at most, and it is believed from then on", () => {
		const settings_url = "https://rest.runpod.test/v1/endpoints/e";
		const { core } = rig(alone({ kind: "runpod_queue", idle_seconds: 5, settings_url }));
		const played = new Played(core, { idle: 5 });
		const { made } = played.pattern(20, 100, seeded(2));
		const set = made.filter(({ kind }) => kind === "idle_timeout");
		expect(set).toHaveLength(1);
		expect(set[0]!.seconds).toBeGreaterThan(30);
		expect(set[0]!.seconds).toBeLessThan(200);
		expect(warmth(core, played.now).idle_seconds).toBe(set[0]!.seconds);
		// One that may not be kept or started gets no shorter one than it needs.
		const other = rig(alone({ kind: "runpod_queue", idle_seconds: 60, settings_url, keep_warm: false })).core;
		const still = new Played(other, { idle: 60 });
		still.pattern(40, 100);
		expect(warmth(other, still.now).idle_seconds).toBeGreaterThanOrEqual(40);
		// From then on it keeps itself warm.
		expect(made.at(-1)!.kind).toBe("idle_timeout");
		expect(played.ask()).toBe("zero/a");
	});
});

test("a retry is not another request", () => {
	const { core } = rig(alone());
	const now = start(core, T0);
	const seen = () => core.fleet.replicas[0]!.warmth!.demand.seen;
	const first = seen();
	const asked = request();
	core.assign(asked, now + 1);
	expect(seen()).toBeGreaterThan(first);
	const second = seen();
	core.mail(mail({ ended: [ended(asked.reservation)] }), now + 2);
	core.assign(request({ retry: true }), now + 3);
	expect(seen()).toBe(second);
});

test("of two pools that can stand in for one another the one that is cheaper to keep gets the requests, and the other one goes", () => {
	const known = catalog();
	const [zero, api] = [known.pools[0]!, known.pools[1]!];
	const slow = {
		...zero,
		id: "slow",
		price: { per: "gpu_second", usd: 0.0002 } as const,
		rates: { prefill_tokens_per_second: 5_000, seconds_per_output_token: 0.02 },
		replicas: [{ id: "a", url: "http://slow.test" }],
	};
	const { core } = rig({ ...known, pools: [zero, slow, api] });
	const went: string[] = [];
	for (let now = T0; now < T0 + 900; now += 2) {
		for (const name of now === T0 ? ["zero/a", "slow/a"] : [])
			core.observe(name, { state: "warm", at: now, source: "test" }, now);
		const asked = request({}, patient);
		went.push(outcomeOf(core.assign(asked, now)));
		core.mail(mail({ first: [{ reservation: asked.reservation, ttft: 0.3, headers: null }] }), now + 0.3);
		core.mail(mail({ ended: [ended(asked.reservation, { ttft: 0.3, seconds: 1.8 })] }), now + 1.8);
		for (const call of core.keeping.due(now + 1.8)) {
			const signal = { state: "warm", at: now + 1.8, source: "plain_keep" } as const;
			core.keeping.done(call, call.kind === "keep" ? signal : null, true, now + 1.8);
		}
	}
	expect(new Set(went.slice(-100))).toEqual(new Set(["slow/a"]));
	const [first, second] = core.fleet.replicas;
	expect([first!.warmth!.isPlanned, second!.warmth!.isPlanned]).toEqual([false, true]);
	expect(first!.warmth!.state(T0 + 900)).toBe("cold");
});
