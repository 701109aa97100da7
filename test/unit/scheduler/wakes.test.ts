import { describe, expect, test } from "vitest";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import { outcomeOf, request, rig, T0 } from "./support.ts";
import { catalog, pass, patient, warmth, zeroOnly } from "./warmth-support.ts";

describe("waking by a call", () => {
	const wakesOf = (core: SchedulerCore, now: number) => {
		core.tick(now);
		return core.wakes.due(now).map(({ replica }) => replica.entry.name);
	};
	/** Requests go past the cold pool until it is due; the next instant, the names, and how many went. */
	function untilDue(core: SchedulerCore, from = T0) {
		let now = from;
		for (let spilled = 1; spilled < 500; spilled++) {
			expect(outcomeOf(pass(core, (now += 0.2)))).toBe("api/a");
			const due = core.wakes.due(now);
			if (due.length > 0) return { now, due, spilled };
		}
		throw new Error("it was never due");
	}

	test("comes before any request would wait there, when going elsewhere has cost the price of the start", () => {
		const { core } = rig(catalog());
		const { now, due, spilled } = untilDue(core);
		expect(due.map(({ replica }) => replica.entry.name)).toEqual(["zero/a"]);
		// 7 cents for 10 s and an idle minute, at about 0.9 cents a request.
		expect(spilled).toBeGreaterThan(5);
		expect(spilled).toBeLessThan(12);
		expect(warmth(core, now)).toMatchObject({ state: "waking", source: "wake", regret_usd: 0 });
	});

	test("counts the whole price of who was paid instead: that of the pool's own seconds runs against it whether it serves or not", () => {
		const { core } = rig(catalog());
		for (const n of [1, 2, 3]) {
			expect(outcomeOf(pass(core, T0 + n, patient))).toBe("api/a");
			// A cent for 1,000 tokens, and a tenth of a cent for each second between.
			expect(warmth(core, T0 + n).regret_usd).toBeCloseTo(0.01 * n - 0.001 * (n - 1), 4);
		}
	});

	test("happens once, however many ask", () => {
		const { core } = rig(catalog());
		const { now } = untilDue(core);
		for (let n = 0; n < 200; n++) {
			core.assign(request(), now + n / 100);
			expect(wakesOf(core, now + n / 100)).toEqual([]);
		}
	});

	test("is not made by regret when it is known that nobody comes once the pool is up", () => {
		const { core } = rig(catalog());
		const reasons: string[][] = [];
		for (let burst = 0; burst < 12; burst++) {
			const from = T0 + burst * 5_000;
			reasons.push([]);
			// Eight premiums are worth a start; this is two requests at once, five times, 4 s apart.
			for (let n = 0; n < 10; n++) {
				const now = from + 4 * Math.floor(n / 2);
				pass(core, now);
				for (const wake of core.wakes.due(now)) {
					reasons.at(-1)!.push(core.keeping.log.last.at(-1)!.reason);
					core.wakes.succeeded(wake, { state: "warm", at: now, source: "plain_wake" }, now);
				}
			}
			core.tick(from + 600);
		}
		expect(reasons[0]).toEqual(["regret"]);
		expect(reasons.slice(-4)).toEqual([[], [], [], []]);
	});

	test("that fails is made again later and later, and only for what is spilled since", () => {
		const { core } = rig(catalog());
		const first = untilDue(core);
		core.wakes.failed(first.due[0]!, first.now);
		expect(warmth(core, first.now)).toMatchObject({ state: "cold", source: "wake_failed", regret_usd: 0 });
		const second = untilDue(core, first.now);
		expect(second.now - first.now).toBeGreaterThan(4.9);
		core.wakes.failed(second.due[0]!, second.now);
		expect(untilDue(core, second.now).now - second.now).toBeGreaterThan(9.9);
	});

	test("tells how long a start takes, when it took as long as one; an answer at once does not", () => {
		const labels = (answerAfter: number) => {
			const { core } = rig(catalog());
			const { now, due } = untilDue(core);
			const at = now + answerAfter;
			core.wakes.succeeded(due[0]!, { state: "warm", at, source: "plain_wake" }, at);
			expect(warmth(core, at)).toMatchObject({ state: "warm", p_cold: 0 });
			expect(core.fleet.replicas[0]!.health.phase.kind).toBe("slow_start");
			return Object.values(core.learned().warmth!["zero"]!.coldTimes).map((row) => row[3]);
		};
		expect(labels(12)).toEqual([1]);
		expect(labels(0.1)).toEqual([]);
	});

	test("that is held says that it is still waking; one that only says so leaves that to its age", () => {
		const { core } = rig(catalog());
		const { now, due } = untilDue(core);
		expect(warmth(core, now + 15).p_cold).toBe(1);
		core.wakes.succeeded(due[0]!, { state: "waking", at: now + 15, source: "plain_wake" }, now + 15);
		expect(warmth(core, now + 15).p_cold).toBe(1);
		expect(warmth(core, now + 30).p_cold).toBeLessThan(0.5);
	});

	test("is not made where the operator does not want it", () => {
		const { core } = rig(catalog({ scale_to_zero: { kind: "plain", cold_seconds: 10, keep_warm: false } }));
		for (let n = 1; n < 30; n++) {
			pass(core, T0 + n * 0.2);
			expect(wakesOf(core, T0 + n * 0.2)).toEqual([]);
		}
	});

	test("an engine that sleeps gets no request before it is awake; what has no other pool waits here", () => {
		const { core, turns } = rig(catalog({ scale_to_zero: { kind: "vllm_sleep" } }));
		core.observe("zero/a", { state: "asleep", at: T0, source: "vllm_sleep", level: 1 }, T0);
		expect(warmth(core, T0)).toMatchObject({ state: "asleep", p_cold: 1 });
		expect(warmth(core, T0).cold_seconds).toBeLessThan(5);
		expect(outcomeOf(core.assign(request(), T0))).toBe("api/a");
		expect(outcomeOf(core.assign(request({}, zeroOnly), T0 + 1))).toBe("queued");
		const [due] = core.wakes.due(T0 + 1);
		expect(due?.replica.entry.name).toBe("zero/a");
		core.tick(T0 + 2);
		expect(turns).toEqual([]);
		core.wakes.succeeded(due!, { state: "warm", at: T0 + 3, source: "vllm_sleep_wake" }, T0 + 3);
		core.tick(T0 + 3);
		expect(turns.map(([, reply]) => outcomeOf(reply))).toEqual(["zero/a"]);
		expect(Object.keys(core.learned().warmth!["zero"]!.coldTimes)).toEqual(["sleep_1"]);
	});
});

test("an engine is not woken for who has left", () => {
	const { core } = rig(catalog({ scale_to_zero: { kind: "vllm_sleep" } }));
	core.observe("zero/a", { state: "asleep", at: T0, source: "vllm_sleep", level: 1 }, T0);
	const asked = request({}, zeroOnly);
	core.assign(asked, T0);
	core.wakes.failed(core.wakes.due(T0)[0]!, T0);
	core.tick(T0 + 1);
	core.leave(asked.reservation, T0 + 2);
	core.tick(T0 + 20);
	expect(core.wakes.due(T0 + 20)).toEqual([]);
	core.assign(request({}, zeroOnly), T0 + 21);
	expect(core.wakes.due(T0 + 21)).toHaveLength(1);
});

test("while it wakes, a status that still calls it cold or asleep is early, until a start should be over", () => {
	const { core } = rig(catalog());
	core.observe("zero/a", { state: "waking", at: T0, source: "test" }, T0);
	core.observe("zero/a", { state: "cold", at: T0 + 5, source: "status" }, T0 + 5);
	expect(warmth(core, T0 + 5)).toMatchObject({ state: "waking", age_seconds: 5 });
	core.observe("zero/a", { state: "cold", at: T0 + 40, source: "status" }, T0 + 40);
	expect(warmth(core, T0 + 40)).toMatchObject({ state: "cold", source: "status" });
});
