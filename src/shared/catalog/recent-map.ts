/** A map of at most `max` entries that forgets what was not used for long. Two generations instead of a linked list: a hit
 *  in the younger one writes nothing, and an entry is forgotten after at least `max / 2` others were added or used since.
 *  Values must not be undefined. */
export class RecentMap<K, V extends {}> {
	readonly #half: number;
	#young = new Map<K, V>();
	#old = new Map<K, V>();

	constructor(max: number) {
		this.#half = Math.max(1, Math.floor(max / 2));
	}

	get(key: K): V | undefined {
		const young = this.#young.get(key);
		if (young !== undefined) return young;
		const old = this.#old.get(key);
		if (old !== undefined) this.set(key, old);
		return old;
	}

	has(key: K): boolean {
		return this.#young.has(key) || this.#old.has(key);
	}

	set(key: K, value: V): void {
		this.#young.set(key, value);
		if (this.#young.size < this.#half) return;
		this.#old = this.#young;
		this.#young = new Map();
	}

	clear(): void {
		this.#young = new Map();
		this.#old = new Map();
	}
}
