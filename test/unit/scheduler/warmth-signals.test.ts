import { expect, test } from "vitest";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { WarmthStatus } from "../../../src/shared/scheduler/messages.ts";
import { fleetStatus, mergedStatus } from "../../../src/shared/scheduler/status.ts";
import type { WarmthSignal } from "../../../src/shared/warmth/signal.ts";
import { ended, mail, MIXED, request, rig, T0 } from "./support.ts";

/** The serverless pool alone. */
const CATALOG = {
	...MIXED,
	pools: MIXED.pools
		.filter(({ id }) => id !== "api")
		.map((pool) => (pool.id === "l4" ? { ...pool, scale_to_zero: { kind: "keda" as const } } : pool)),
};
const US = { regions: ["us"] };

const seen = (at: number, state: WarmthSignal["state"] = "warm", source = "answer"): WarmthSignal => ({
	state,
	at,
	source,
});
const warmthOf = (core: SchedulerCore, replica: string, now: number): WarmthStatus | null =>
	fleetStatus(core, now).replicas.find((each) => each.replica === replica)!.warmth;

test("signals come with a first token or with an end, and the newest is shown", () => {
	const { core } = rig(CATALOG);
	const asked = request({}, US);
	core.assign(asked, T0);
	const { reservation } = asked;
	expect(warmthOf(core, "l4/a", T0)).toMatchObject({ state: "waking", source: "request" });
	core.mail(mail({ first: [{ reservation, ttft: 30, headers: 30, warmth: seen(T0 + 30) }] }), T0 + 31);
	expect(warmthOf(core, "l4/a", T0 + 40)).toMatchObject({ state: "warm", source: "ttft", age_seconds: 10 });
	core.mail(mail({ ended: [ended(reservation, { warmth: seen(T0 + 50, "waking", "keda_answer") })] }), T0 + 51);
	expect(warmthOf(core, "l4/a", T0 + 51)).toMatchObject({ state: "waking", age_seconds: 1 });
	core.mail(mail({ ended: [ended(reservation, { warmth: seen(T0 + 60) })] }), T0 + 61);
	expect(warmthOf(core, "l4/a", T0 + 61), "told again").toMatchObject({ state: "waking" });
});

test("an end that a fallback tells of counts for the replica that it names", () => {
	const { core } = rig(CATALOG);
	const end = ended("unknown", { replica: "l4/a", warmth: seen(T0, "waking") });
	core.mail(mail({ ended: [end] }), T0 + 1);
	expect(warmthOf(core, "l4/a", T0 + 1)).toMatchObject({ state: "waking" });
});

test("what is older, of a clock that is ahead, of a pool that is always warm, or of nobody", () => {
	const { core } = rig(CATALOG);
	core.observe("l4/a", seen(T0 + 10, "cold"), T0 + 10);
	core.observe("l4/a", seen(T0 + 5, "warm"), T0 + 11);
	expect(warmthOf(core, "l4/a", T0 + 11)).toMatchObject({ state: "cold" });
	core.observe("l4/a", seen(T0 + 9_999, "waking"), T0 + 12);
	expect(warmthOf(core, "l4/a", T0 + 12)).toMatchObject({ state: "waking", age_seconds: 0 });
	core.observe("l4/a", seen(T0 + 13, "warm"), T0 + 13);
	expect(warmthOf(core, "l4/a", T0 + 13), "the clock that is ahead does not win for ever").toMatchObject({
		state: "warm",
	});
	core.observe("h100/a", seen(T0, "cold"), T0);
	expect(warmthOf(core, "h100/a", T0)).toBeNull();
	core.observe("l4/z", seen(T0, "cold"), T0);
});

test("of several schedulers the one that saw it last is believed", () => {
	const [one, two] = [rig(CATALOG).core, rig(CATALOG).core];
	one.observe("l4/a", seen(T0, "cold"), T0);
	const merged = () =>
		mergedStatus([one, two].map((core) => fleetStatus(core, T0 + 9))).replicas.find(
			({ replica }) => replica === "l4/a",
		)!.warmth;
	expect(merged()).toMatchObject({ state: "cold" });
	two.observe("l4/a", seen(T0 + 5, "waking"), T0 + 5);
	expect(merged()).toMatchObject({ state: "waking", age_seconds: 4 });
});
