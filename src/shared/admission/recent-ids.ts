import type { Seconds } from "../units.ts";

/** Remembers ids for at least `seconds`, at most twice that, as long as fewer than `max` come in that time. Two generations
 *  of which the older is dropped whole: O(1), and at most `2 * max` ids. */
export class RecentIds {
	readonly #seconds: Seconds;
	readonly #max: number;
	#young = new Set<string>();
	#old = new Set<string>();
	#since: Seconds | undefined;

	constructor(seconds: Seconds, max: number) {
		this.#seconds = seconds;
		this.#max = max;
	}

	has(id: string): boolean {
		return this.#young.has(id) || this.#old.has(id);
	}

	add(id: string, now: Seconds): void {
		this.#since ??= now;
		if (now - this.#since >= this.#seconds || this.#young.size >= this.#max) {
			this.#old = this.#young;
			this.#young = new Set();
			this.#since = now;
		}
		this.#young.add(id);
	}
}
