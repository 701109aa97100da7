import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { Wake } from "../../../src/shared/scheduler/wakes.ts";
import type { WarmthState } from "../../../src/shared/warmth/signal.ts";
import { between } from "../warmth/support.ts";
import { ended, mail, outcomeOf, request, rig, T0 } from "./support.ts";
import { catalog, zeroOnly } from "./warmth-support.ts";

const TENANT_MAX = 5;
const TENANTS = ["a", "b"] as const;

type Op =
	| { op: "park"; tenant: (typeof TENANTS)[number]; limit: number }
	/** What its engine says, true or not. */
	| { op: "status"; state: WarmthState; behind: number }
	/** The oldest call that was to wake it is answered; those that never are hang. */
	| { op: "woken"; ok: boolean }
	| { op: "end"; ok: boolean }
	| { op: "leave" }
	/** Time passes; back: the clock is set back, which those who wait notice themselves. */
	| { op: "wait"; seconds: number };

const op: fc.Arbitrary<Op> = fc.oneof(
	{
		weight: 4,
		arbitrary: fc.record({
			op: fc.constant("park" as const),
			tenant: fc.constantFrom(...TENANTS),
			limit: between(0.5, 60),
		}),
	},
	{
		weight: 4,
		arbitrary: fc.record({
			op: fc.constant("status" as const),
			state: fc.constantFrom<WarmthState>("asleep", "warm", "waking", "cold", "draining"),
			behind: fc.constantFrom(-100, 0, 0, 3, 100),
		}),
	},
	{ weight: 2, arbitrary: fc.record({ op: fc.constant("woken" as const), ok: fc.boolean() }) },
	{ weight: 3, arbitrary: fc.record({ op: fc.constant("end" as const), ok: fc.boolean() }) },
	{ weight: 1, arbitrary: fc.record({ op: fc.constant("leave" as const) }) },
	{
		weight: 4,
		arbitrary: fc.record({ op: fc.constant("wait" as const), seconds: fc.constantFrom(0.25, 0.25, 2, 10, 400) }),
	},
);

/** Requests that only an engine that sleeps can serve, whose status and whose waker do what they like. */
class World {
	readonly #parked = new Map<string, { readonly tenant: string; readonly until: number }>();
	readonly #inFlight: string[] = [];
	readonly #calls: Wake[] = [];
	readonly #core: SchedulerCore;
	readonly #turns: ReturnType<typeof rig>["turns"];
	#now = T0;

	constructor() {
		const zero = { scale_to_zero: { kind: "vllm_sleep" as const } };
		const { core, turns } = rig(catalog(zero), { waitingRoomMax: 8, waitingRoomTenantMax: TENANT_MAX });
		this.#core = core;
		this.#turns = turns;
		core.observe("zero/a", { state: "asleep", at: T0, source: "vllm_sleep", level: 1 }, T0);
	}

	run(step: Op): void {
		const core = this.#core;
		switch (step.op) {
			case "park": {
				const { tenant, limit } = step;
				const asked = request({ tenant }, { ...zeroOnly, waitingMax: limit });
				const reply = core.assign(asked, this.#now);
				if (reply.kind === "queued") this.#parked.set(asked.reservation, { tenant, until: this.#now + limit });
				if (reply.kind === "assigned") this.#inFlight.push(asked.reservation);
				break;
			}
			case "status": {
				const at = this.#now - step.behind;
				core.observe("zero/a", { state: step.state, at, source: "vllm_sleep" }, this.#now);
				break;
			}
			case "woken": {
				const call = this.#calls.shift();
				if (!call) break;
				const signal = { state: "warm", at: this.#now, source: "vllm_sleep_wake" } as const;
				if (step.ok) core.wakes.succeeded(call, signal, this.#now);
				else core.wakes.failed(call, this.#now);
				break;
			}
			case "end": {
				const reservation = this.#inFlight.shift();
				if (reservation === undefined) break;
				const failed = { outcome: "failed", failure: "busy", ttft: null } as const;
				core.mail(mail({ ended: [ended(reservation, step.ok ? {} : failed)] }), this.#now);
				break;
			}
			case "leave": {
				const [reservation] = this.#parked.keys();
				if (reservation === undefined) break;
				core.leave(reservation, this.#now);
				this.#parked.delete(reservation);
				break;
			}
			case "wait":
				this.#now += step.seconds;
		}
		this.#look();
	}

	/** As the object does in every call and every tick. */
	#look(): void {
		this.#core.tick(this.#now);
		for (const [reservation, reply] of this.#turns.splice(0)) {
			expect(this.#parked.delete(reservation)).toBe(true);
			expect(["zero/a", "overloaded"]).toContain(outcomeOf(reply));
			if (reply.kind === "assigned") this.#inFlight.push(reservation);
		}
		const due = this.#core.wakes.due(this.#now);
		this.#calls.push(...due);
		// One at a time, whatever the status says meanwhile.
		expect(this.#calls.length).toBeLessThanOrEqual(1);
		// Nobody waits beyond his limit, and no tenant has more places than it may.
		for (const { until } of this.#parked.values()) expect(until).toBeGreaterThan(this.#now);
		for (const tenant of TENANTS) {
			const places = [...this.#parked.values()].filter((each) => each.tenant === tenant);
			expect(places.length).toBeLessThanOrEqual(TENANT_MAX);
		}
		expect(this.#core.waiting).toBe(this.#parked.size);
	}

	finish(): void {
		this.#now += 61;
		this.#look();
		expect(this.#core.waiting).toBe(0);
	}
}

test("whoever waits for an engine that sleeps is answered in time, whatever its status says and its waker does", () => {
	fc.assert(
		fc.property(fc.array(op, { maxLength: 80, size: "max" }), (ops) => {
			const world = new World();
			for (const step of ops) world.run(step);
			world.finish();
		}),
		{ numRuns: 300 },
	);
});
