import { BlockList } from "./block-list.ts";

const ABSENT = 0;
const CACHED = 1;
/** In use by a request that runs, but no longer found: the cache was cleared since. */
const ORPHANED = 2;

/** The KV memory of one replica in blocks, as paged engines keep it: blocks in use are counted, computed ones are found by
 *  their id, and those that nobody uses stay until room is needed, the least recently used going first. */
export class BlockCache {
	readonly capacity: number;
	readonly #state: Uint8Array;
	readonly #users: Int32Array;
	readonly #idle: BlockList;
	#known = 0;
	#private = 0;

	/** `ids`: block ids are below. */
	constructor(capacity: number, ids: number) {
		this.capacity = capacity;
		this.#state = new Uint8Array(ids);
		this.#users = new Int32Array(ids);
		this.#idle = new BlockList(ids);
	}

	/** Blocks that requests hold now. */
	get used(): number {
		return this.#known - this.#idle.size + this.#private;
	}

	/** How many of the first `max` blocks are there, from the first on. */
	match(blocks: Int32Array, max: number): number {
		let n = 0;
		while (n < max && this.#state[blocks[n]!] === CACHED) n++;
		return n;
	}

	/** A request takes the first `matched` of its blocks as they are and room for `fresh` more. False, and nothing has changed,
	 *  when there is not so much room. */
	take(blocks: Int32Array, matched: number, fresh: number): boolean {
		for (let i = 0; i < matched; i++) this.#use(blocks[i]!);
		const free = this.capacity - this.#known - this.#private;
		if (fresh > free + this.#idle.size) {
			this.release(blocks, 0, matched);
			return false;
		}
		for (let evict = fresh - free; evict > 0; evict--) {
			this.#state[this.#idle.shift()] = ABSENT;
			this.#known--;
		}
		this.#private += fresh;
		return true;
	}

	/** A block that was taken as fresh has been computed, and is found from now on. If an equal one is there already, they
	 *  become one. */
	computed(block: number): void {
		this.#private--;
		if (this.#state[block] === ABSENT) this.#known++;
		this.#state[block] = CACHED;
		this.#use(block);
	}

	/** A request leaves blocks `from` to `to`. The later ones of a chain count as used longer ago. */
	release(blocks: Int32Array, from: number, to: number): void {
		for (let i = to - 1; i >= from; i--) {
			const block = blocks[i]!;
			if (--this.#users[block]! > 0) continue;
			if (this.#state[block] === ORPHANED) {
				this.#state[block] = ABSENT;
				this.#known--;
			} else {
				this.#idle.touch(block);
			}
		}
	}

	/** A request leaves so many blocks that were never found by their id. */
	releasePrivate(count: number): void {
		this.#private -= count;
	}

	/** Nothing that was computed is found any more. */
	clear(): void {
		for (let block = this.#idle.shift(); block !== -1; block = this.#idle.shift()) {
			this.#state[block] = ABSENT;
			this.#known--;
		}
		for (let block = 0; block < this.#state.length; block++) {
			if (this.#state[block] === CACHED) this.#state[block] = ORPHANED;
		}
	}

	#use(block: number): void {
		if (this.#users[block]!++ === 0) this.#idle.remove(block);
	}
}
