import type { Seconds } from "../units.ts";

export interface RetryBudgetOptions {
	/** Retries per first attempt. */
	readonly share: number;
	/** Retries a second that are allowed whatever the traffic. */
	readonly perSecondMin?: number;
	/** How long a first attempt counts. */
	readonly window?: Seconds;
}

const SLICES = 10;

/** Lets retries be at most a share of a pool's traffic, so that a failing pool is not buried in them. In every window (ten
 *  slices, the current one included) there are at most `share * first attempts + perSecondMin * window` retries, and what is
 *  not used expires. After Finagle's RetryBudget (ttl 10 s, `percentCanRetry`, `minRetriesPerSec`), which Envoy's and tower's
 *  resemble; unlike there, the floor is a small one: a retry here is seconds of a GPU. A clock that goes back stands still. */
export class RetryBudget {
	readonly #share: number;
	readonly #floor: number;
	readonly #sliceSeconds: Seconds;
	readonly #attempts = Array.from({ length: SLICES }, () => 0);
	readonly #retries = Array.from({ length: SLICES }, () => 0);
	#slice = -Infinity;
	#attemptsInWindow = 0;
	#retriesInWindow = 0;

	constructor({ share, perSecondMin = 0.5, window = 10 }: RetryBudgetOptions) {
		this.#share = share;
		this.#floor = perSecondMin * window;
		this.#sliceSeconds = window / SLICES;
	}

	/** A first attempt was made. */
	deposit(now: Seconds): void {
		this.#attempts[this.#advance(now)]! += 1;
		this.#attemptsInWindow += 1;
	}

	/** Takes one retry out of the budget; false when there is none left. */
	withdraw(now: Seconds): boolean {
		const slot = this.#advance(now);
		if (this.#left() < 1) return false;
		this.#retries[slot]! += 1;
		this.#retriesInWindow += 1;
		return true;
	}

	/** How many retries would be allowed at this instant. */
	balance(now: Seconds): number {
		this.#advance(now);
		return Math.max(0, Math.floor(this.#left()));
	}

	#left(): number {
		// Ten times a share of 0.1 is to be one retry, whatever the last bit says.
		return this.#share * this.#attemptsInWindow + this.#floor - this.#retriesInWindow + 1e-9;
	}

	#advance(now: Seconds): number {
		const slice = Math.max(this.#slice, Math.floor(now / this.#sliceSeconds));
		for (let s = Math.max(this.#slice + 1, slice - SLICES + 1); s <= slice; s++) {
			const slot = slotOf(s);
			this.#attemptsInWindow -= this.#attempts[slot]!;
			this.#retriesInWindow -= this.#retries[slot]!;
			this.#attempts[slot] = 0;
			this.#retries[slot] = 0;
		}
		this.#slice = slice;
		return slotOf(slice);
	}
}

function slotOf(slice: number): number {
	return ((slice % SLICES) + SLICES) % SLICES;
}
