/** Scratch of `mixKey`: the 64-bit key that it made. */
export const key = { lo: 0, hi: 0 };

/** Makes of a 64-bit id its key within `space`; one-to-one for each space. Left in `key`, because it runs for every block. */
export function mixKey(lo: number, hi: number, space: number): void {
	let a = Math.imul(lo ^ Math.imul(space, 0x9e3779b1), 0x85ebca6b);
	a ^= a >>> 16;
	let b = Math.imul(hi ^ Math.imul(space ^ 0x165667b1, 0xc2b2ae35), 0x27d4eb2f) ^ a;
	b ^= b >>> 15;
	a ^= Math.imul(b, 0x9e3779b1);
	a ^= a >>> 13;
	key.lo = a >>> 0;
	key.hi = b >>> 0;
}

const SLOTS_MIN = 4_096;
const NONE = -1;

/** A hash table of 64-bit keys in typed arrays. A key keeps its slot while it is in, so that others can hold arrays beside it.
 *  Grows by doubling up to `slotsMax`; 16 to 20 bytes a slot. */
export class BlockTable {
	readonly #slotsMax: number;
	#lo: Uint32Array;
	#hi: Uint32Array;
	/** The next slot of the same bucket, or of the free ones. */
	#next: Int32Array;
	#heads: Int32Array;
	#free = NONE;
	#used = 0;
	#size = 0;

	constructor(slotsMax: number) {
		this.#slotsMax = slotsMax;
		const slots = Math.min(SLOTS_MIN, slotsMax);
		this.#lo = new Uint32Array(slots);
		this.#hi = new Uint32Array(slots);
		this.#next = new Int32Array(slots);
		this.#heads = new Int32Array(bucketsFor(slots)).fill(NONE);
	}

	/** Slots that there is memory for now: what stands beside them needs as many. */
	get slots(): number {
		return this.#next.length;
	}

	get size(): number {
		return this.#size;
	}

	/** Then every slot is in use. */
	get isFull(): boolean {
		return this.#size === this.#slotsMax;
	}

	lo(slot: number): number {
		return this.#lo[slot]!;
	}

	hi(slot: number): number {
		return this.#hi[slot]!;
	}

	/** The slot of a key, or -1. */
	find(lo: number, hi: number): number {
		let slot = this.#heads[this.#bucket(lo, hi)]!;
		while (slot !== NONE && (this.#lo[slot] !== lo || this.#hi[slot] !== hi)) slot = this.#next[slot]!;
		return slot;
	}

	/** The slot that a key, which must not be in yet, gets; the table must not be full. */
	add(lo: number, hi: number): number {
		let slot = this.#free;
		if (slot !== NONE) this.#free = this.#next[slot]!;
		else {
			if (this.#used === this.#next.length) this.#grow();
			slot = this.#used++;
		}
		this.#lo[slot] = lo;
		this.#hi[slot] = hi;
		this.#link(slot);
		this.#size++;
		return slot;
	}

	remove(slot: number): void {
		const bucket = this.#bucket(this.#lo[slot]!, this.#hi[slot]!);
		const after = this.#next[slot]!;
		let at = this.#heads[bucket]!;
		if (at === slot) this.#heads[bucket] = after;
		else {
			while (this.#next[at] !== slot) at = this.#next[at]!;
			this.#next[at] = after;
		}
		this.#next[slot] = this.#free;
		this.#free = slot;
		this.#size--;
	}

	#bucket(lo: number, hi: number): number {
		return (lo ^ Math.imul(hi, 0x9e3779b1)) & (this.#heads.length - 1);
	}

	#link(slot: number): void {
		const bucket = this.#bucket(this.#lo[slot]!, this.#hi[slot]!);
		this.#next[slot] = this.#heads[bucket]!;
		this.#heads[bucket] = slot;
	}

	/** Only when every slot is used, so there are no free ones to keep. */
	#grow(): void {
		const slots = Math.min(2 * this.#next.length, this.#slotsMax);
		this.#lo = grown(this.#lo, new Uint32Array(slots));
		this.#hi = grown(this.#hi, new Uint32Array(slots));
		this.#next = new Int32Array(slots);
		this.#heads = new Int32Array(bucketsFor(slots)).fill(NONE);
		for (let slot = 0; slot < this.#used; slot++) this.#link(slot);
	}
}

/** `to`, longer, with what was in `from`. */
export function grown<T extends { readonly set: (from: T) => void }>(from: T, to: T): T {
	to.set(from);
	return to;
}

function bucketsFor(slots: number): number {
	return 2 ** Math.ceil(Math.log2(slots));
}
