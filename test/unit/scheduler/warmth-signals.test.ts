import { describe, expect, test } from "vitest";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { Ended, WarmthStatus } from "../../../src/shared/scheduler/messages.ts";
import { fleetStatus, mergedStatus } from "../../../src/shared/scheduler/status.ts";
import type { WarmthSignal } from "../../../src/shared/warmth/signal.ts";
import { ended, mail, MIXED, request, rig, T0 } from "./support.ts";

/** The serverless pool scales to zero; the API is left out. */
const CATALOG = {
	...MIXED,
	pools: MIXED.pools
		.filter(({ id }) => id !== "api")
		.map((pool) =>
			pool.id === "l4"
				? { ...pool, scale_to_zero: { kind: "keda" as const, idle_seconds: 300, cold_seconds: 30 } }
				: pool,
		),
};
const US = { regions: ["us"] };

const seen = (at: number, state: WarmthSignal["state"], source = "answer"): WarmthSignal => ({ state, at, source });

function warmthOf(core: SchedulerCore, now: number, replica = "l4/a"): WarmthStatus | null {
	core.tick(now);
	return fleetStatus(core, now).replicas.find((each) => each.replica === replica)!.warmth;
}

/** Sends a request to the serverless pool, whose first token comes after `seconds`, and ends it. */
function pass(core: SchedulerCore, at: number, seconds: number, warmth?: Partial<WarmthSignal>): void {
	const asked = request({}, US);
	core.assign(asked, at);
	const { reservation } = asked;
	const signal = warmth && { warmth: { ...seen(at + seconds, "warm"), ...warmth } };
	core.mail(mail({ first: [{ reservation, ttft: seconds, headers: null, ...signal }] }), at + seconds);
	core.mail(mail({ ended: [ended(reservation, { ttft: seconds, seconds: seconds + 1 })] }), at + seconds + 1);
}

/** Sends one there that fails. */
function fail(core: SchedulerCore, at: number, change: Partial<Ended>): void {
	const asked = request({}, US);
	core.assign(asked, at);
	const failed = { outcome: "failed", failure: "busy", ttft: null, seconds: 0.1 } as const;
	core.mail(mail({ ended: [ended(asked.reservation, { ...failed, ...change })] }), at + 0.1);
}

describe("what an answer says of itself", () => {
	test("counts before what its seconds suggest: a late one was in a queue", () => {
		const { core } = rig(CATALOG);
		pass(core, T0, 30);
		// Long enough for another start, but KEDA says that there was none.
		pass(core, T0 + 400, 30, { source: "keda_header" });
		expect(warmthOf(core, T0 + 431)).toMatchObject({ state: "warm", source: "keda_header" });
		expect(warmthOf(core, T0 + 431)!.idle_seconds, "it was warm for longer than was believed").toBeGreaterThan(300);
	});

	test("labels a start with its seconds, from when it began", () => {
		const [told, silent] = [rig(CATALOG).core, rig(CATALOG).core];
		pass(told, T0, 90, { source: "keda_header", coldSeconds: 90 });
		pass(silent, T0, 0.2, {});
		const expected = (core: SchedulerCore) => warmthOf(core, T0 + 1_000)!.cold_seconds;
		expect(warmthOf(told, T0 + 91)).toMatchObject({ state: "warm", source: "keda_header" });
		expect(expected(told)).toBeGreaterThan(1.5 * expected(silent));
	});
});

describe("a request that met no engine", () => {
	test("says that the pool went cold unseen, and is starting", () => {
		const { core } = rig(CATALOG);
		pass(core, T0, 30);
		expect(warmthOf(core, T0 + 100)).toMatchObject({ state: "warm", p_cold: 0 });
		fail(core, T0 + 100, { warmth: seen(T0 + 100, "waking", "keda_answer") });
		const status = warmthOf(core, T0 + 101)!;
		expect(status).toMatchObject({ state: "waking", source: "keda_answer", p_cold: 1 });
		expect(status.idle_seconds).toBeLessThan(300);
		expect(fleetStatus(core, T0 + 101).replicas.find(({ replica }) => replica === "l4/a")!.health).toBe("healthy");
	});

	test("is not believed of a pool that has just answered: it is full", () => {
		const { core } = rig(CATALOG);
		pass(core, T0, 30);
		pass(core, T0 + 40, 0.2);
		fail(core, T0 + 41.5, { warmth: seen(T0 + 41.5, "waking", "keda_answer") });
		expect(warmthOf(core, T0 + 41.7)).toMatchObject({ state: "warm", p_cold: 0, idle_seconds: 300 });
	});

	test("where a fallback had sent it", () => {
		const { core } = rig(CATALOG);
		const end = ended("unknown", { outcome: "failed", replica: "l4/a", warmth: seen(T0, "waking", "keda_answer") });
		core.mail(mail({ ended: [end] }), T0 + 1);
		expect(warmthOf(core, T0 + 1)).toMatchObject({ state: "waking", source: "keda_answer" });
	});
});

describe("a status", () => {
	test("what is older, of a clock that is ahead, of a pool that is always warm, or of nobody", () => {
		const { core } = rig(CATALOG);
		core.observe("l4/a", seen(T0 + 10, "cold"), T0 + 10);
		core.observe("l4/a", seen(T0 + 5, "warm"), T0 + 11);
		expect(warmthOf(core, T0 + 11)).toMatchObject({ state: "cold", p_cold: 1 });
		core.observe("l4/a", seen(T0 + 9_999, "waking"), T0 + 12);
		expect(warmthOf(core, T0 + 12)).toMatchObject({ state: "waking", age_seconds: 0 });
		core.observe("l4/a", seen(T0 + 13, "warm"), T0 + 13);
		expect(warmthOf(core, T0 + 13), "the clock that is ahead does not win for ever").toMatchObject({ state: "warm" });
		core.observe("h100/a", seen(T0, "cold"), T0);
		expect(warmthOf(core, T0 + 14, "h100/a")).toBeNull();
		core.observe("l4/z", seen(T0, "cold"), T0);
	});

	test("that still says cold does not undo a start that has just begun, and later does", () => {
		const { core } = rig(CATALOG);
		core.observe("l4/a", seen(T0, "cold"), T0);
		fail(core, T0 + 1, { warmth: seen(T0 + 1, "waking", "keda_answer") });
		core.observe("l4/a", seen(T0 + 5, "cold"), T0 + 5);
		expect(warmthOf(core, T0 + 5)).toMatchObject({ state: "waking" });
		core.observe("l4/a", seen(T0 + 17, "cold"), T0 + 17);
		expect(warmthOf(core, T0 + 17)).toMatchObject({ state: "cold", p_cold: 1 });
	});

	test("that says cold while a request of ours waits for the start is behind, however long", () => {
		const { core } = rig(CATALOG);
		const waiter = request({}, US);
		core.assign(waiter, T0);
		core.observe("l4/a", seen(T0 + 20, "cold"), T0 + 20);
		expect(warmthOf(core, T0 + 20)).toMatchObject({ state: "waking" });
	});

	test("that says cold of a replica in use is not believed", () => {
		const { core } = rig(CATALOG);
		pass(core, T0, 30);
		core.assign(request({}, US), T0 + 60);
		core.tick(T0 + 70);
		core.observe("l4/a", seen(T0 + 70, "cold"), T0 + 70);
		expect(warmthOf(core, T0 + 70)).toMatchObject({ state: "warm", p_cold: 0 });
	});

	test("that says warm while requests find nobody there is believed once a minute at most", () => {
		const { core } = rig(CATALOG);
		const misled: number[] = [];
		for (let at = T0; at < T0 + 240; at += 8) {
			core.observe("l4/a", seen(at, "warm", "huggingface_status"), at);
			if (warmthOf(core, at)!.source !== "huggingface_status") continue;
			misled.push(at - T0);
			fail(core, at + 2, { warmth: seen(at + 2, "waking", "huggingface_answer") });
		}
		expect(misled).toEqual([0, 64, 192]);
		expect(warmthOf(core, T0 + 240)!.idle_seconds, "nothing was learned from that").toBe(300);
	});

	test("of several schedulers the one that saw it last is believed", () => {
		const [one, two] = [rig(CATALOG).core, rig(CATALOG).core];
		one.observe("l4/a", seen(T0, "cold"), T0);
		two.observe("l4/a", seen(T0 + 5, "waking"), T0 + 5);
		const { replicas } = mergedStatus([one, two].map((core) => fleetStatus(core, T0 + 9)));
		expect(replicas.find(({ replica }) => replica === "l4/a")!.warmth).toMatchObject({
			state: "waking",
			age_seconds: 4,
		});
	});
});
