/** Block ids in the order of their last use. All operations are O(1); ids are small whole numbers. */
export class BlockList {
	readonly #next: Int32Array;
	readonly #previous: Int32Array;
	/** The end of the ring: stands before the oldest and behind the newest. */
	readonly #end: number;
	#size = 0;

	constructor(ids: number) {
		this.#end = ids;
		this.#next = new Int32Array(ids + 1).fill(-1);
		this.#previous = new Int32Array(ids + 1).fill(-1);
		this.#next[ids] = ids;
		this.#previous[ids] = ids;
	}

	get size(): number {
		return this.#size;
	}

	has(id: number): boolean {
		return this.#next[id] !== -1;
	}

	/** Makes it the newest, wherever it was. */
	touch(id: number): void {
		this.remove(id);
		const newest = this.#previous[this.#end]!;
		this.#next[newest] = id;
		this.#previous[id] = newest;
		this.#next[id] = this.#end;
		this.#previous[this.#end] = id;
		this.#size++;
	}

	remove(id: number): void {
		const next = this.#next[id]!;
		if (next === -1) return;
		const previous = this.#previous[id]!;
		this.#next[previous] = next;
		this.#previous[next] = previous;
		this.#next[id] = -1;
		this.#size--;
	}

	/** Takes out the oldest; -1 when there is none. */
	shift(): number {
		const oldest = this.#next[this.#end]!;
		if (oldest === this.#end) return -1;
		this.remove(oldest);
		return oldest;
	}
}
