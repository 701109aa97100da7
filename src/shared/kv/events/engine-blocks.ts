import { BlockTable, grown, key, mixKey } from "./block-table.ts";
import { TIERS, type BlocksRemoved, type BlocksStored } from "./event.ts";
import { HeldBlocks, type HeldPrefix } from "./held-blocks.ts";
import { TokenChain } from "./token-chain.ts";
import type { Tokens } from "../../units.ts";

/** A KV cache that events tell of: one data-parallel rank of a replica, in one life. A cleared one gets a new number. */
export interface Holder {
	readonly number: number;
	/** Token blocks in each tier, in the order of TIERS. */
	readonly blocks: number[];
	/** Places that it takes in the table. */
	entries: number;
	/** Blocks whose parent we do not know, so that their place in a prompt is unknown: not counted as held. */
	orphans: number;
	/** Entries that had to go for want of room: from then on not all that it holds is known. */
	dropped: number;
}

const NONE = -1;
/** In `#filled`: a part of an engine block, whose hash it holds. */
const PART = 255;
/** How many blocks one eviction chooses among. */
const SAMPLES = 32;
/** The clock of uses ticks so often while the whole table is replaced once. */
const TICKS = 64;
const PART_SPACE = 0x80000000;

/** From engine hashes to token blocks. An engine hash stays opaque: it only leads from a parent to its children, and to the
 *  state of our own chain after its tokens. Bounded: past `blocksMax` entries those go that nothing was built upon for
 *  longest (of a sample, dead ones first), which costs only accuracy. An entry is one of our blocks, or an engine block in which none of
 *  ours ends; 60 bytes with its part of `HeldBlocks`. */
export class EngineBlocks {
	readonly #blocksMax: number;
	readonly #held: HeldBlocks;
	readonly #table: BlockTable;
	readonly #chain = new TokenChain();
	readonly #live = new Map<number, Holder>();
	#holders = 0;
	#hand = 0;
	/** Entries ever made, and what the clock of uses shows. */
	#entered = 0;
	#tick = 0;
	#evicted = 0;
	// One entry a slot: our chain's state after the block (or a part's hash), and tokens since our last full block.
	#a: Uint32Array;
	#b: Uint32Array;
	#filled: Uint8Array;
	#holder: Uint32Array;
	/** Slot of the parent when the block came. It may hold another block since: good enough to keep prefixes. */
	#parent: Int32Array;
	/** Our blocks that end before the end of the engine's. */
	#parts: Uint16Array;
	/** Bits by tier; 0: the slot is free. */
	#tiers: Uint8Array;
	#used: Uint32Array;

	constructor(blocksMax: number) {
		this.#blocksMax = blocksMax;
		this.#held = new HeldBlocks(blocksMax);
		this.#table = new BlockTable(blocksMax);
		const { slots } = this.#table;
		this.#a = new Uint32Array(slots);
		this.#b = new Uint32Array(slots);
		this.#filled = new Uint8Array(slots);
		this.#holder = new Uint32Array(slots);
		this.#parent = new Int32Array(slots);
		this.#parts = new Uint16Array(slots);
		this.#tiers = new Uint8Array(slots);
		this.#used = new Uint32Array(slots);
	}

	get size(): number {
		return this.#table.size;
	}

	/** Entries that had to go for want of room, dead ones not counted. */
	get evicted(): number {
		return this.#evicted;
	}

	open(): Holder {
		const holder: Holder = { number: ++this.#holders, blocks: TIERS.map(() => 0), entries: 0, orphans: 0, dropped: 0 };
		this.#live.set(holder.number, holder);
		return holder;
	}

	/** Forgets all of a holder's blocks. Their places are used again as room is needed. */
	close(holder: Holder): void {
		this.#live.delete(holder.number);
	}

	match(holder: Holder, chain: Uint32Array): HeldPrefix {
		return this.#held.match(holder.number, chain);
	}

	/** As in `HeldBlocks`. */
	extent(holder: Holder, chain: Uint32Array): Tokens {
		return this.#held.extent(holder.number, chain);
	}

	store(holder: Holder, event: BlocksStored): void {
		const { ids, tokens, blockSize, tier, group, extras } = event;
		if (event.slidingWindow) return;
		const space = spaceOf(holder, group);
		if (tokens.length === 0) {
			this.#raise(holder, ids, space, tier);
			return;
		}
		let parent = NONE;
		const chain = this.#chain;
		if (event.parent === null) chain.start(event.lora);
		else {
			mixKey(event.parent[0]!, event.parent[1]!, space);
			parent = this.#table.find(key.lo, key.hi);
			if (parent === NONE) {
				holder.orphans += ids.length / 2;
				return;
			}
			this.#touch(parent);
			chain.resume(this.#a[parent]!, this.#b[parent]!, this.#filled[parent]!);
		}
		for (let index = 0; index < ids.length / 2; index++) {
			const extra = extras?.[index] ?? null;
			if (extra !== null) chain.mix(extra);
			mixKey(ids[2 * index]!, ids[2 * index + 1]!, space);
			parent = this.#put(holder, key.lo, key.hi, parent, tokens, index * blockSize, blockSize, tier);
		}
	}

	/** How many of the event's blocks were known to be in that tier. */
	remove(holder: Holder, { ids, tier, group }: BlocksRemoved): number {
		const space = spaceOf(holder, group);
		let removed = 0;
		for (let at = 0; at < ids.length; at += 2) {
			mixKey(ids[at]!, ids[at + 1]!, space);
			const slot = this.#table.find(key.lo, key.hi);
			if (slot === NONE) continue;
			const lo = this.#table.lo(slot);
			const hi = this.#table.hi(slot);
			for (let part = 0; part < this.#parts[slot]!; part++) {
				const at = this.#partSlot(lo, hi, part);
				if (at !== NONE) this.#lower(holder, at, tier);
			}
			if (this.#lower(holder, slot, tier)) removed++;
		}
		return removed;
	}

	/** Takes in one engine block and moves the chain behind it; the block's slot. */
	#put(
		holder: Holder,
		lo: number,
		hi: number,
		parent: number,
		tokens: Uint32Array,
		from: number,
		count: number,
		tier: number,
	): number {
		const chain = this.#chain;
		const hashes: number[] = [];
		const last = from + count - 1;
		for (let at = from; at <= last; at++) {
			if (chain.push(tokens[at]!) && at < last) hashes.push(chain.a, chain.b);
		}
		const slot = this.#enter(holder, lo, hi, chain.a, chain.b, chain.filled, parent, tier);
		this.#parts[slot] = hashes.length / 2;
		for (let part = 0; part < hashes.length / 2; part++) {
			mixKey(lo, hi, PART_SPACE + part);
			this.#enter(holder, key.lo, key.hi, hashes[2 * part]!, hashes[2 * part + 1]!, PART, NONE, tier);
		}
		return slot;
	}

	#enter(
		holder: Holder,
		lo: number,
		hi: number,
		a: number,
		b: number,
		filled: number,
		parent: number,
		tier: number,
	): number {
		let slot = this.#table.find(lo, hi);
		// The engine uses a hash again for other tokens only when it is not one of the whole prefix; the last one counts.
		if (slot !== NONE && (this.#a[slot] !== a >>> 0 || this.#b[slot] !== b >>> 0)) {
			this.#drop(slot);
			slot = NONE;
		}
		if (slot === NONE) {
			if (this.#table.isFull) this.#evict();
			this.#tick = Math.floor((TICKS * ++this.#entered) / this.#blocksMax);
			slot = this.#table.add(lo, hi);
			this.#makeRoom();
			this.#a[slot] = a;
			this.#b[slot] = b;
			this.#filled[slot] = filled;
			this.#holder[slot] = holder.number;
			this.#parts[slot] = 0;
			this.#tiers[slot] = 0;
			this.#used[slot] = this.#tick;
			holder.entries++;
		}
		this.#parent[slot] = parent;
		this.#raiseAt(holder, slot, tier);
		return slot;
	}

	/** Known blocks are now in this tier too. */
	#raise(holder: Holder, ids: Uint32Array, space: number, tier: number): void {
		for (let at = 0; at < ids.length; at += 2) {
			mixKey(ids[at]!, ids[at + 1]!, space);
			const slot = this.#table.find(key.lo, key.hi);
			if (slot === NONE) {
				holder.orphans++;
				continue;
			}
			const lo = this.#table.lo(slot);
			const hi = this.#table.hi(slot);
			for (let part = 0; part < this.#parts[slot]!; part++) {
				const at = this.#partSlot(lo, hi, part);
				if (at !== NONE) this.#raiseAt(holder, at, tier);
			}
			this.#raiseAt(holder, slot, tier);
		}
	}

	#raiseAt(holder: Holder, slot: number, tier: number): void {
		const bit = 1 << tier;
		if ((this.#tiers[slot]! & bit) !== 0) return;
		this.#tiers[slot]! |= bit;
		if (!this.#isOurs(slot)) return;
		this.#held.add(holder.number, this.#a[slot]!, this.#b[slot]!, tier);
		holder.blocks[tier]!++;
	}

	#lower(holder: Holder, slot: number, tier: number): boolean {
		const bit = 1 << tier;
		if ((this.#tiers[slot]! & bit) === 0) return false;
		this.#unhold(holder.number, slot, tier);
		this.#tiers[slot]! &= ~bit;
		if (this.#tiers[slot] === 0) this.#free(slot);
		return true;
	}

	#free(slot: number): void {
		const holder = this.#live.get(this.#holder[slot]!);
		if (holder) holder.entries--;
		this.#table.remove(slot);
	}

	#unhold(holder: number, slot: number, tier: number): void {
		if (!this.#isOurs(slot)) return;
		this.#held.remove(holder, this.#a[slot]!, this.#b[slot]!, tier);
		const live = this.#live.get(holder);
		if (live) live.blocks[tier]!--;
	}

	/** Whether one of our blocks ends where this entry does. */
	#isOurs(slot: number): boolean {
		const filled = this.#filled[slot]!;
		return filled === 0 || filled === PART;
	}

	#partSlot(lo: number, hi: number, part: number): number {
		mixKey(lo, hi, PART_SPACE + part);
		return this.#table.find(key.lo, key.hi);
	}

	/** The blocks before one are needed as long as it is. Every block was used as lately as any behind it, so the walk ends at
	 *  the first that was used in this tick: each is marked once a tick. */
	#touch(slot: number): void {
		for (let at = slot; at !== NONE && this.#used[at]! < this.#tick && this.#tiers[at] !== 0; at = this.#parent[at]!) {
			this.#used[at] = this.#tick;
		}
	}

	/** Takes an entry out in all its tiers, and the parts of its block with it. */
	#drop(slot: number): void {
		const holder = this.#holder[slot]!;
		const lo = this.#table.lo(slot);
		const hi = this.#table.hi(slot);
		const parts = this.#parts[slot]!;
		for (let tier = 0; tier < TIERS.length; tier++) {
			if ((this.#tiers[slot]! & (1 << tier)) !== 0) this.#unhold(holder, slot, tier);
		}
		this.#tiers[slot] = 0;
		this.#free(slot);
		for (let part = 0; part < parts; part++) {
			const at = this.#partSlot(lo, hi, part);
			if (at !== NONE) this.#drop(at);
		}
	}

	/** Makes room in a full table. */
	#evict(): void {
		const { slots } = this.#table;
		let chosen = NONE;
		for (let sample = 0; sample < SAMPLES; sample++) {
			const slot = this.#hand;
			this.#hand = (slot + 1) % slots;
			if (!this.#live.has(this.#holder[slot]!)) {
				this.#drop(slot);
				return;
			}
			if (chosen === NONE || this.#used[slot]! < this.#used[chosen]!) chosen = slot;
		}
		this.#evicted++;
		this.#live.get(this.#holder[chosen]!)!.dropped++;
		this.#drop(chosen);
	}

	#makeRoom(): void {
		const { slots } = this.#table;
		if (this.#a.length === slots) return;
		this.#a = grown(this.#a, new Uint32Array(slots));
		this.#b = grown(this.#b, new Uint32Array(slots));
		this.#filled = grown(this.#filled, new Uint8Array(slots));
		this.#holder = grown(this.#holder, new Uint32Array(slots));
		this.#parent = grown(this.#parent, new Int32Array(slots));
		this.#parts = grown(this.#parts, new Uint16Array(slots));
		this.#tiers = grown(this.#tiers, new Uint8Array(slots));
		this.#used = grown(this.#used, new Uint32Array(slots));
	}
}

/** Hashes mean something within one holder and one of its KV cache groups only. */
function spaceOf(holder: Holder, group: number): number {
	return Math.imul(holder.number, 256) + group;
}
