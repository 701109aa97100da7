import type { Seconds } from "../units.ts";

/** Remembers values by id for at least `seconds`, at most twice that, as long as fewer than `max` come in that time; for
 *  the last `max` of them when more come. Two generations of which the older is dropped whole: O(1), and at most `2 * max`
 *  ids. */
export class Recent<V extends {}> {
	readonly #seconds: Seconds;
	readonly #max: number;
	#young = new Map<string, V>();
	#old = new Map<string, V>();
	#since: Seconds | undefined;

	constructor(seconds: Seconds, max: number) {
		this.#seconds = seconds;
		this.#max = max;
	}

	get(id: string): V | undefined {
		return this.#young.get(id) ?? this.#old.get(id);
	}

	set(id: string, value: V, now: Seconds): void {
		this.#since ??= now;
		if (now - this.#since >= this.#seconds || this.#young.size >= this.#max) {
			this.#old = this.#young;
			this.#young = new Map();
			this.#since = now;
		}
		this.#young.set(id, value);
	}
}
