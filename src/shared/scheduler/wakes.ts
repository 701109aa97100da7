import { admits } from "../admission/health.ts";
import type { Seconds } from "../units.ts";
import type { WarmthSignal } from "../warmth/signal.ts";
import type { Keeping } from "./keeping.ts";
import { LIKELY_COLD } from "../warmth/replica-warmth.ts";
import type { Start } from "../warmth/start.ts";
import type { ReplicaState } from "./fleet.ts";
import type { Spilled, Warmths } from "./warmths.ts";

/** A replica that is to be woken now. */
export interface Wake {
	readonly replica: ReplicaState;
	readonly start: Start;
	readonly at: Seconds;
}

/** Among the reservations that wait for a replica; none of those is called so. */
const WAKE_CALL = "wake";

/** Which pools to wake by a call of their own, before or instead of a request that would wait there. */
export class Wakes {
	readonly #warmths: Warmths;
	readonly #keeping: Keeping;
	/** Replicas that requests wait for here, since none may be sent there before it is woken. */
	readonly #wanted = new Set<ReplicaState>();
	/** Pools that a call is under way for, whatever their status says meanwhile. */
	readonly #called = new Set<string>();

	constructor(warmths: Warmths, keeping: Keeping) {
		this.#warmths = warmths;
		this.#keeping = keeping;
	}

	/** A request can be served by none but these, which must be woken first: the best of them is. */
	wanted(shut: readonly Spilled[]): void {
		const [best] = shut.toSorted((a, b) => a.warmScore - b.warmScore);
		if (best) this.#wanted.add(best.replica);
	}

	/** Nobody waits any more. */
	wantNothing(): void {
		this.#wanted.clear();
	}

	/** The replicas to wake now: at most one of a pool, none of a pool that is waking. They count as waking from here on, so that
	 *  nobody is told of them again, however many ask. A pool is due when going elsewhere has cost more than its start,
	 *  when requests wait for it, or when one is likely to come soon. */
	due(now: Seconds): Wake[] {
		if (!this.#warmths.any) return [];
		const wakes: Wake[] = [];
		const seen = this.#warmths.wakingPools(now);
		for (const replica of this.#warmths.scaling) {
			const { warmth, entry } = replica;
			if (!warmth || warmth.probability < LIKELY_COLD || seen.has(warmth.pool)) continue;
			if (this.#keeping.isCalled(replica) || this.#called.has(entry.pool.id)) continue;
			if (warmth.pool.rests(now)) continue;
			if (admits(replica.health, entry.maxConcurrency, now).limit === 0) continue;
			const start = this.#warmths.start(replica, now)!;
			const demand = this.#keeping.startFor(replica);
			const isWorth =
				start.regret > 0 &&
				start.regret >= start.usd &&
				entry.pool.pool.scale_to_zero?.keep_warm &&
				this.#keeping.wouldKeep(replica, now + start.seconds);
			if (!isWorth && !demand && !this.#wanted.has(replica)) continue;
			seen.add(warmth.pool);
			const reason = this.#wanted.has(replica) ? "waiting" : isWorth ? "regret" : "demand";
			const because = { ...demand, start_usd: start.usd, start_seconds: start.seconds, regret_usd: start.regret };
			this.#keeping.log.add({ at: now, replica: entry.name, act: "wake", reason, because });
			wakes.push({ replica, start, at: now });
			this.#wanted.delete(replica);
			this.#warmths.observe(replica, { state: "waking", at: now, source: "wake" }, now);
			warmth.awaits(WAKE_CALL);
			this.#called.add(entry.pool.id);
		}
		return wakes;
	}

	/** The call was answered with `signal`, or a status that was asked first told it. */
	succeeded(wake: Wake, signal: WarmthSignal, now: Seconds): void {
		this.#over(wake.replica);
		this.#warmths.woken(wake, signal, now);
	}

	failed({ replica }: Wake, now: Seconds): void {
		this.#over(replica);
		// It has come up meanwhile, whatever became of the call.
		if (replica.warmth?.signal?.state === "warm") return;
		this.#warmths.startFailed(replica, "wake_failed", now);
	}

	#over(replica: ReplicaState): void {
		replica.warmth?.gone(WAKE_CALL);
		this.#called.delete(replica.entry.pool.id);
		this.#keeping.lookAgain(replica);
	}
}
