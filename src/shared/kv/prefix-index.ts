import { DistinctBlocks } from "./distinct-blocks.ts";
import { EntryTable, isConfirmed, NONE, TAG_BITS } from "./entry-table.ts";

export interface PrefixIndexOptions {
	/** Replicas at most; they are told apart by numbers from 0. Up to SLOTS_MAX of entry-table.ts. */
	readonly slots: number;
	/** Memory at most. */
	readonly bytesMax: number;
}

export interface SlotStatistics {
	/** Blocks held. */
	readonly entries: number;
	readonly capacity: number;
	/** Since the start: by its own capacity, and because the whole index was full. */
	readonly evictedOwn: number;
	readonly evictedGlobal: number;
}

/** Which replica holds which blocks of which prefixes, as far as we know. Per replica the least recently used block goes
 *  first, at that replica's own capacity. A block is never older than those that follow it in a chain, so that a chain is lost
 *  from its end, and what is held of it is always a beginning. When the whole index is full, the replica that fills most of
 *  its capacity gives way.
 *
 *  A chain is two words (lo, hi) a block, as prefix-chain.ts makes it. One in which a block comes twice ends before the second. */
export class PrefixIndex {
	readonly slots: number;
	readonly #table: EntryTable;
	readonly #capacities: Int32Array;
	readonly #evictedOwn: Float64Array;
	readonly #evictedGlobal: Float64Array;
	readonly #changes: Float64Array;
	/** First and last entries of runs, of the chain that is being inserted. */
	#runs = new Int32Array(64);
	#confirmed = 0;
	readonly #distinct = new DistinctBlocks(TAG_BITS);

	constructor({ slots, bytesMax }: PrefixIndexOptions) {
		this.slots = slots;
		this.#table = new EntryTable(slots, bytesMax);
		this.#capacities = new Int32Array(slots).fill(this.#table.sizeMax);
		this.#evictedOwn = new Float64Array(slots);
		this.#evictedGlobal = new Float64Array(slots);
		this.#changes = new Float64Array(slots);
	}

	get size(): number {
		return this.#table.size;
	}

	get sizeMax(): number {
		return this.#table.sizeMax;
	}

	/** How many blocks from the beginning of the chain that was last inserted were there and confirmed before. */
	get confirmedBefore(): number {
		return this.#confirmed;
	}

	/** Allocated now. */
	get bytes(): number {
		return this.#table.bytes;
	}

	/** Writes for every slot how many blocks from the beginning of the chain it holds; returns the most. `held` has a place for
	 *  every slot in use. Allocates nothing.
	 *
	 *  Who holds a block holds those before it, so that the places where slots fall behind are found by halving: a system
	 *  prompt that all replicas hold is looked at in a few of its blocks. After a `truncate` or `retract`, or when a part of a
	 *  snapshot was lost, what else followed the blocks that are gone may be counted until it is evicted. */
	match(chain: Uint32Array, held: Int32Array): number {
		held.fill(0);
		const last = this.#distinct.before(chain, chain.length >> 1) - 1;
		if (last < 0) return 0;
		const first = this.#deepen(chain, 0, 0, held);
		if (first === 0 || last === 0) return Math.min(1, first);
		const whole = this.#deepen(chain, last, 1, held);
		const longest = this.#halve(chain, 0, last, first - whole, held);
		return whole > 0 ? last + 1 : longest;
	}

	/** How many blocks from the beginning of the chain this slot holds. */
	heldBy(slot: number, chain: Uint32Array): number {
		const blocks = this.#distinct.before(chain, chain.length >> 1);
		let block = 0;
		while (block < blocks && this.#table.find(slot, chain[2 * block]!, chain[2 * block + 1]!) !== NONE) block++;
		return block;
	}

	/** The slot holds the chain now, up to its capacity, and used it last. `confirmed`: it is known to; otherwise what is new
	 *  can be taken back with `retract`. Returns how many blocks from the beginning were there before. */
	insert(slot: number, chain: Uint32Array, confirmed: boolean): number {
		const table = this.#table;
		const bounded = Math.min(chain.length >> 1, this.#capacities[slot]!, table.sizeMax);
		const blocks = this.#distinct.before(chain, bounded);
		const known = this.#touch(slot, chain, blocks, confirmed);
		if (known === blocks) return known;

		this.#makeRoom(slot, known, blocks - known);
		table.reserve(blocks - known);
		let after = NONE;
		for (let block = 0; block < known; block++) after = block === 0 ? table.newest(slot) : table.older(after);
		for (let block = known; block < blocks; block++) {
			const at = table.detached(slot, chain[2 * block]!, chain[2 * block + 1]!);
			if (at === NONE) break;
			table.link(slot, at, after);
			if (confirmed) table.confirm(at);
			after = at;
		}
		this.#changes[slot]! += blocks - known;
		return known;
	}

	/** The slot does not hold the chain's blocks from number `from` on. Returns how many it was thought to. */
	truncate(slot: number, chain: Uint32Array, from: number): number {
		return this.#remove(slot, chain, from, false);
	}

	/** Takes an unconfirmed `insert` back from block `from` on; what others have confirmed since stays. */
	retract(slot: number, chain: Uint32Array, from: number): number {
		return this.#remove(slot, chain, from, true);
	}

	/** The slot holds nothing. */
	clear(slot: number): void {
		this.#changes[slot]! += this.#table.count(slot);
		for (let left = this.#table.count(slot); left > 0; left--) this.#table.remove(slot, this.#table.oldest(slot));
	}

	/** The slot is as new. */
	release(slot: number): void {
		this.clear(slot);
		this.#capacities[slot] = this.#table.sizeMax;
		this.#evictedOwn[slot] = 0;
		this.#evictedGlobal[slot] = 0;
		this.#changes[slot] = 0;
	}

	/** Blocks that the slot holds at most. A smaller one evicts at once. */
	setCapacity(slot: number, blocks: number): void {
		this.#capacities[slot] = Math.max(0, Math.min(this.#table.sizeMax, Math.floor(blocks)));
		const over = this.#table.count(slot) - this.#capacities[slot];
		if (over > 0) this.#evict(slot, over, this.#evictedOwn);
	}

	statistics(slot: number): SlotStatistics {
		return {
			entries: this.#table.count(slot),
			capacity: this.#capacities[slot]!,
			evictedOwn: this.#evictedOwn[slot]!,
			evictedGlobal: this.#evictedGlobal[slot]!,
		};
	}

	/** Blocks that the slot gained or lost since its last `snapshot`. */
	changes(slot: number): number {
		return this.#changes[slot]!;
	}

	/** All that the slot holds, the newest first, in parts of at most `partMax` blocks; two words a block. */
	snapshot(slot: number, partMax: number): Uint32Array<ArrayBuffer>[] {
		const table = this.#table;
		const parts: Uint32Array<ArrayBuffer>[] = [];
		let at = table.newest(slot);
		for (let left = table.count(slot); left > 0; left -= partMax) {
			const part = new Uint32Array(2 * Math.min(left, partMax));
			for (let i = 0; i < part.length; i += 2) {
				part[i] = table.lo(at);
				part[i + 1] = table.hi(at);
				at = table.older(at);
			}
			parts.push(part);
		}
		this.#changes[slot] = 0;
		return parts;
	}

	/** Makes room for so many more blocks at once, within the bounds. */
	reserve(blocks: number): void {
		this.#table.reserve(blocks);
	}

	/** Takes what was confirmed in a part of a snapshot back, as older than all that the slot holds. Whoever was to compute the rest
	 *  is not known any more. Without an earlier part the blocks of a later
	 *  one may have lost their beginnings: they are not found, and go in time. */
	restore(slot: number, part: Uint32Array): void {
		const table = this.#table;
		for (let i = 0; i + 1 < part.length; i += 2) {
			if (table.count(slot) >= this.#capacities[slot]! || table.size >= table.sizeMax) return;
			if (!isConfirmed(part[i + 1]!)) continue;
			if (table.find(slot, part[i]!, part[i + 1]!) !== NONE) continue;
			const at = table.detached(slot, part[i]!, part[i + 1]!);
			if (at === NONE) continue;
			table.link(slot, at, table.oldest(slot));
			table.confirm(at);
		}
	}

	/** Finds how far `open` slots get that hold block `low` and do not hold block `high`; returns the most. */
	#halve(chain: Uint32Array, low: number, high: number, open: number, held: Int32Array): number {
		if (open === 0 || high - low === 1) return low + 1;
		const middle = (low + high) >> 1;
		const further = this.#deepen(chain, middle, low + 1, held);
		const behind = this.#halve(chain, low, middle, open - further, held);
		return further > 0 ? this.#halve(chain, middle, high, further, held) : behind;
	}

	#deepen(chain: Uint32Array, block: number, from: number, held: Int32Array): number {
		return this.#table.deepen(chain[2 * block]!, chain[2 * block + 1]!, from, block + 1, held);
	}

	/** Makes the blocks that the slot holds its newest, the first the newest of all; returns how many. What was used together
	 *  stands together in the slot's list: it is found there, and moved as a whole. */
	#touch(slot: number, chain: Uint32Array, blocks: number, confirmed: boolean): number {
		const table = this.#table;
		if (this.#runs.length < 2 * blocks) this.#runs = new Int32Array(4 * blocks);
		const runs = this.#runs;
		let count = 0;
		let known = 0;
		let at = NONE;
		this.#confirmed = 0;
		for (; known < blocks; known++) {
			const guess = at === NONE ? NONE : table.older(at);
			at = table.findNear(guess, slot, chain[2 * known]!, chain[2 * known + 1]!);
			if (at === NONE) break;
			if (this.#confirmed === known && table.isConfirmed(at)) this.#confirmed++;
			if (confirmed) table.confirm(at);
			if (known === 0 || at !== guess) runs[2 * count++] = at;
			runs[2 * count - 1] = at;
		}
		for (let run = count - 1; run >= 0; run--) table.bringForward(slot, runs[2 * run]!, runs[2 * run + 1]!);
		return known;
	}

	/** Room for `more` blocks of the slot, whose `kept` newest stay. */
	#makeRoom(slot: number, kept: number, more: number): void {
		const table = this.#table;
		const own = table.count(slot) + more - this.#capacities[slot]!;
		if (own > 0) this.#evict(slot, own, this.#evictedOwn);
		for (;;) {
			const over = table.size + more - table.sizeMax;
			if (over <= 0) return;
			let victim = slot;
			let fullest = -1;
			for (let other = 0; other < this.slots; other++) {
				const count = table.count(other);
				if (count <= (other === slot ? kept : 0)) continue;
				const fill = count / Math.max(1, this.#capacities[other]!);
				if (fill > fullest) {
					fullest = fill;
					victim = other;
				}
			}
			const evictable = table.count(victim) - (victim === slot ? kept : 0);
			this.#evict(victim, Math.min(over, evictable), this.#evictedGlobal);
		}
	}

	#evict(slot: number, blocks: number, counter: Float64Array): void {
		for (let i = 0; i < blocks; i++) this.#table.remove(slot, this.#table.oldest(slot));
		counter[slot]! += blocks;
		this.#changes[slot]! += blocks;
	}

	#remove(slot: number, chain: Uint32Array, from: number, unconfirmedOnly: boolean): number {
		const table = this.#table;
		const blocks = this.#distinct.before(chain, chain.length >> 1);
		let removed = 0;
		for (let block = Math.max(0, from); block < blocks; block++) {
			const at = table.find(slot, chain[2 * block]!, chain[2 * block + 1]!);
			if (at === NONE) break;
			if (unconfirmedOnly && table.isConfirmed(at)) continue;
			table.remove(slot, at);
			removed++;
		}
		this.#changes[slot]! += removed;
		return removed;
	}
}
