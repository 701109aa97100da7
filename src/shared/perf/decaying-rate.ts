import type { Seconds } from "../units.ts";

/** How much of something comes a second, of late: what lies `memory` back counts 1/e. */
export class DecayingRate {
	readonly #memory: Seconds;
	#sum = 0;
	#at: Seconds = 0;

	constructor(memory: Seconds) {
		this.#memory = memory;
	}

	add(amount: number, now: Seconds): void {
		this.#sum = this.#kept(now) + amount;
		this.#at = Math.max(this.#at, now);
	}

	/** Changes nothing. */
	perSecond(now: Seconds): number {
		return this.#kept(now) / this.#memory;
	}

	#kept(now: Seconds): number {
		// A clock that goes back stands still.
		return this.#sum * Math.exp(-Math.max(0, now - this.#at) / this.#memory);
	}
}
