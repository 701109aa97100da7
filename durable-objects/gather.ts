import type { Seconds } from "../src/shared/units.ts";

/** Calls that come soon after one another go on in the same turn of the event loop, so that the runtime commits what they
 *  write together: a commit costs an fsync, and one for each call would bound an object to a few hundred calls a second.
 *  A call that comes alone does not wait. */
export class Gather {
	readonly #pause: Seconds;
	#last: Seconds = -Infinity;
	#next: Promise<void> | undefined;

	constructor(pause: Seconds) {
		this.#pause = pause;
	}

	/** Resolves at once, or with all others that have come since the last turn began, `pause` after that. */
	turn(now: Seconds): Promise<void> {
		if (this.#next) return this.#next;
		const wait = this.#last + this.#pause - now;
		if (wait <= 0 || wait > this.#pause) {
			this.#last = now;
			return Promise.resolve();
		}
		this.#next = new Promise((resolve) => {
			setTimeout(() => {
				this.#next = undefined;
				this.#last = now + wait;
				resolve();
			}, wait * 1_000);
		});
		return this.#next;
	}
}
