import type { Seconds } from "../units.ts";
import { newServiceRate, observeTurns, turnsPerSecond, type ServiceRate } from "./expected-wait.ts";

/** Sets of candidates of which the rate is remembered; the others start from the prior each time. */
const SETS_MAX = 64;

/** How fast a waiting room empties for those who wait for a given set of candidates: a slow pool that many wait for says
 *  nothing of another. What others with a candidate in common are given counts, because it was a turn in the same queue; that
 *  of those who can use some of the candidates only does not, as they do not count for the position (`WaitingRoom.left`). */
export class ServiceRates {
	readonly #rates = new Map<bigint, ServiceRate>();

	/** Somebody waits for exactly these candidates, or nobody does any more. */
	observe(candidates: bigint, waits: boolean, now: Seconds): void {
		const known = this.#rates.get(candidates);
		if (known ? known.waiting === waits : !waits) return;
		this.#rates.set(candidates, observeTurns(known ?? newServiceRate(now), 0, waits, now));
		if (this.#rates.size > SETS_MAX) this.#rates.delete(this.#rates.keys().next().value!);
	}

	/** One that waited for these candidates was placed. */
	turn(candidates: bigint, now: Seconds): void {
		for (const [others, rate] of this.#rates) {
			const common = others & candidates;
			const isNarrower = common === candidates && others !== candidates;
			if (rate.waiting && common !== 0n && !isNarrower) this.#rates.set(others, observeTurns(rate, 1, true, now));
		}
	}

	/** Given a prior in turns a second. */
	perSecond(candidates: bigint, prior: number, now: Seconds): number {
		return turnsPerSecond(this.#rates.get(candidates) ?? newServiceRate(now), prior, now);
	}

	/** The candidates are numbered anew. */
	clear(): void {
		this.#rates.clear();
	}
}
