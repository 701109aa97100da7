import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import type { SchedulerCore } from "../../../src/shared/scheduler/core.ts";
import type { KeepingCall } from "../../../src/shared/scheduler/keeping.ts";
import type { Wake } from "../../../src/shared/scheduler/wakes.ts";
import { ended, mail, outcomeOf, request, T0 } from "./support.ts";
import { catalog } from "./warmth-support.ts";

/** The pool that scales to zero alone: who finds it cold waits. */
export function alone(zero: object = {}): CatalogInput {
	const known = catalog();
	const scale = { kind: "plain", idle_seconds: 60, cold_seconds: 10, ...zero } as const;
	return { ...known, pools: [{ ...known.pools[0]!, scale_to_zero: scale }] };
}

export interface Made extends KeepingCall {
	readonly at: number;
}

/** A scheduler and its pool that scales to zero, which does as it is told: it is up until `idle` seconds after its last use, and
 *  whoever finds it cold waits `cold` seconds. */
export class Played {
	readonly core: SchedulerCore;
	now = T0;
	readonly #cold: number;
	#idle: number;
	#upUntil = -Infinity;
	#wake: { readonly wake: Wake; readonly at: number } | undefined;

	constructor(core: SchedulerCore, { cold = 10, idle = 60, upUntil = -Infinity } = {}) {
		this.core = core;
		this.#cold = cold;
		this.#idle = idle;
		this.#upUntil = upUntil;
	}

	/** A request now. Where it went. */
	ask(): string {
		const asked = request();
		const to = outcomeOf(this.core.assign(asked, this.now));
		const wait = to === "zero/a" && this.now > this.#upUntil ? this.#cold : 0;
		const ttft = 0.3 + wait;
		this.core.mail(mail({ first: [{ reservation: asked.reservation, ttft, headers: null }] }), this.now + ttft);
		this.now += ttft;
		this.core.mail(mail({ ended: [ended(asked.reservation, { ttft, seconds: ttft })] }), this.now);
		if (to === "zero/a") this.#upUntil = this.now + this.#idle;
		return to;
	}

	/** Lets time pass as the object's alarm does. What was done meanwhile. */
	wait(until: number): { made: Made[]; wakes: number[] } {
		const made: Made[] = [];
		const wakes: number[] = [];
		while (this.now < until) {
			const { core, now } = this;
			core.tick(now);
			for (const call of core.keeping.due(now)) {
				made.push({ ...call, at: now });
				if (call.kind === "idle_timeout") this.#idle = call.seconds!;
				if (call.kind === "let_go") this.#upUntil = now;
				if (call.kind === "keep") this.#upUntil = now + this.#idle;
				const signal = { state: "warm", at: now, source: "plain_keep" } as const;
				core.keeping.done(call, call.kind === "keep" ? signal : null, true, now);
			}
			for (const wake of core.wakes.due(now)) {
				wakes.push(now);
				this.#wake = { wake, at: now + this.#cold };
			}
			if (this.#wake && now >= this.#wake.at) {
				core.wakes.succeeded(this.#wake.wake, { state: "warm", at: now, source: "plain_wake" }, now);
				this.#wake = undefined;
				this.#upUntil = now + this.#idle;
				continue;
			}
			this.now = Math.min(until, Math.max(now + 1, Math.min(core.keeping.nextAt, this.#wake?.at ?? Infinity)));
		}
		return { made, wakes };
	}

	/** Requests every `gap` seconds, or so often on average and without memory, `times` times. What was done between. */
	pattern(gap: number, times: number, rng?: () => number): { made: Made[]; wakes: number[] } {
		const all = { made: [] as Made[], wakes: [] as number[] };
		for (let n = 0; n < times; n++) {
			const next = this.now + (rng ? -gap * Math.log(1 - rng()) : gap);
			this.ask();
			const { made, wakes } = this.wait(next);
			all.made.push(...made);
			all.wakes.push(...wakes);
		}
		return all;
	}
}
export const kinds = (made: readonly Made[]) => [...new Set(made.map(({ kind }) => kind))];
