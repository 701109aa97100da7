import type { Seconds, Tokens } from "../units.ts";

/** How fast a replica computes what is sent to it, and from when on at the earliest. */
export interface Pace {
	readonly tokensPerSecond: number;
	/** When it could begin if nothing stood before: the way there, its own overhead, a start. */
	readonly from: Seconds;
}

/** Of the time by which a prompt is late, how much longer it is expected to take: whoever has waited long waits longer. 0.5 and 1 were
 *  as good as none in the replays, where no replica hangs. Without it one that does would look as if it had nothing to do. */
const LATE_SHARE = 0.5;

/** What is left of one replica's queued prompts while their first tokens are awaited: nobody tells how far an engine is with a prompt,
 *  but it computes one after the other at a known pace. Corrected by each first token. `queued` is always all that is
 *  to be computed of the requests that have none; what is left is never more. */
export class Backlog {
	#rate = 0;
	/** When the last of them is expected to be computed. */
	#until: Seconds = 0;
	#told: Seconds = 0;

	/** A request was sent there, before which `queued` tokens stood. While no pace is known nothing is of progress. */
	sent(queued: Tokens, tokens: Tokens, pace: Pace | undefined, now: Seconds): void {
		const left = this.left(queued, now);
		if (pace && pace.tokensPerSecond > 0) this.#rate = pace.tokensPerSecond;
		if (this.#rate === 0) return;
		const free = queued > 0 ? now + left / this.#rate : now;
		this.#until = Math.max(free, pace?.from ?? now) + tokens / this.#rate;
	}

	/** A first token came at `at`, and `queued` are those behind it: the next one began then. */
	advanced(queued: Tokens, at: Seconds): void {
		// Word of an earlier one may come later.
		this.#told = Math.max(this.#told, at);
		if (this.#rate > 0) this.#until = this.#told + queued / this.#rate;
	}

	/** One ended without a first token, and `queued` are the others. How far the one is that is being computed does not
	 *  matter then: no more is left than all of them. */
	gone(queued: Tokens, now: Seconds): void {
		if (this.#rate > 0) this.#until = now + this.left(queued, now) / this.#rate;
	}

	left(queued: Tokens, now: Seconds): Tokens {
		if (this.#rate === 0) return queued;
		const seconds = Math.max(this.#until - now, LATE_SHARE * (now - this.#until));
		return Math.min(queued, seconds * this.#rate);
	}
}
