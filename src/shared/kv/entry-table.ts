/** Nothing: no entry, the end of a list. */
export const NONE = -1;

/** Words of an entry: low half of the block's hash; tag, confirmed bit and slot; the next newer and next older entry of the
 *  same slot. */
const LO = 0;
const META = 1;
const NEWER = 2;
const OLDER = 3;
const WORDS = 4;

/** META: 12 bits of slot + 1 (so that 0 is a free place), the confirmed bit, 19 bits of the hash's high half. */
const SLOT_BITS = 0xfff;
const CONFIRMED = 0x1000;
/** Of a block's high half, what tells blocks apart beside the low one. */
export const TAG_BITS = 0xffffe000 | 0;
/** Entries per place: linear probing looks at four or five places for a block that is held by one. */
const LOAD_MAX = 0.7;
const PLACES_MIN = 1_024;
/** How far from its home an entry may stand. Only hashes made to collide get there; it bounds the work that they cause. */
const DISTANCE_MAX = 4_096;
/** Places beyond the last home; rounding may push an entry on by one whenever the table grows. */
const OVERFLOW = DISTANCE_MAX + 64;
const BYTES_PER_PLACE = WORDS * Int32Array.BYTES_PER_ELEMENT;

export const SLOTS_MAX = SLOT_BITS;

/** The entries (block, slot) of a prefix index in one open-addressed table of 32-bit words, and for every slot a list of its
 *  entries from the newest to the oldest. An entry's home follows from its block alone, so that one look finds all slots that
 *  hold a block. Of a hash's 64 bits 51 tell blocks apart: with a million entries one look in 2e9 finds what is not there. The
 *  table grows by doubling up to its bound. Entries move when others are removed: a position is good until the next change. */
export class EntryTable {
	readonly #placesMax: number;
	#places: number;
	#words: Int32Array;
	#size = 0;
	readonly #newest: Int32Array;
	readonly #oldest: Int32Array;
	readonly #counts: Int32Array;

	/** `bytesMax` bounds the table itself. */
	constructor(slots: number, bytesMax: number) {
		this.#placesMax = Math.max(PLACES_MIN, Math.floor(bytesMax / BYTES_PER_PLACE) - OVERFLOW);
		this.#places = PLACES_MIN;
		this.#words = wordsFor(PLACES_MIN);
		this.#newest = new Int32Array(slots).fill(NONE);
		this.#oldest = new Int32Array(slots).fill(NONE);
		this.#counts = new Int32Array(slots);
	}

	get size(): number {
		return this.#size;
	}

	/** Entries that fit at most. */
	get sizeMax(): number {
		return Math.floor(this.#placesMax * LOAD_MAX);
	}

	/** Allocated now. */
	get bytes(): number {
		return this.#words.byteLength + 3 * this.#counts.byteLength;
	}

	count(slot: number): number {
		return this.#counts[slot]!;
	}

	newest(slot: number): number {
		return this.#newest[slot]!;
	}

	oldest(slot: number): number {
		return this.#oldest[slot]!;
	}

	/** The next older entry of the same slot. */
	older(at: number): number {
		return this.#words[WORDS * at + OLDER]!;
	}

	newer(at: number): number {
		return this.#words[WORDS * at + NEWER]!;
	}

	lo(at: number): number {
		return this.#words[WORDS * at + LO]!;
	}

	/** The high half as far as it is kept, and the confirmed bit. */
	hi(at: number): number {
		return this.#words[WORDS * at + META]! & ~SLOT_BITS;
	}

	isConfirmed(at: number): boolean {
		return (this.#words[WORDS * at + META]! & CONFIRMED) !== 0;
	}

	confirm(at: number): void {
		this.#words[WORDS * at + META]! |= CONFIRMED;
	}

	/** For every slot that holds the block and has `depths[slot] === from`: sets that to `to`. How many they were. */
	deepen(lo: number, hi: number, from: number, to: number, depths: Int32Array): number {
		const words = this.#words;
		const low = lo | 0;
		const tag = hi & TAG_BITS;
		let found = 0;
		for (let at = WORDS * this.#home(low); ; at += WORDS) {
			const meta = words[at + META]!;
			if (meta === 0) return found;
			if (words[at] !== low || ((meta ^ tag) & TAG_BITS) !== 0) continue;
			const slot = (meta & SLOT_BITS) - 1;
			if (depths[slot] !== from) continue;
			depths[slot] = to;
			found++;
		}
	}

	/** Where the entry stands, or NONE. */
	find(slot: number, lo: number, hi: number): number {
		const words = this.#words;
		const low = lo | 0;
		const wanted = (hi & TAG_BITS) | (slot + 1);
		for (let at = WORDS * this.#home(low); ; at += WORDS) {
			const meta = words[at + META]!;
			if (meta === 0) return NONE;
			if (words[at] === low && (meta & ~CONFIRMED) === wanted) return at / WORDS;
		}
	}

	/** The same when it is likely to be the entry at `guess`, which is one of the slot or NONE. */
	findNear(guess: number, slot: number, lo: number, hi: number): number {
		if (guess !== NONE) {
			const meta = this.#words[WORDS * guess + META]!;
			if (this.#words[WORDS * guess] === (lo | 0) && ((meta ^ hi) & TAG_BITS) === 0) return guess;
		}
		return this.find(slot, lo, hi);
	}

	/** Sees to it that `more` entries can be added without the table growing then, as far as its bound allows. */
	reserve(more: number): void {
		let places = this.#places;
		while (this.#size + more > places * LOAD_MAX && places < this.#placesMax)
			places = Math.min(this.#placesMax, 2 * places);
		if (places > this.#places) this.#grow(places);
	}

	/** The entry in no list: as it was found and taken out, or put in. NONE when the table is full, or crowded at that place.
	 *  `hi` may carry the confirmed bit of `hi()`. Nothing moves if there was a `reserve`. */
	detached(slot: number, lo: number, hi: number): number {
		this.reserve(1);
		const words = this.#words;
		const low = lo | 0;
		const wanted = (hi & TAG_BITS) | (slot + 1);
		const home = this.#home(low);
		let at = home;
		for (let meta = words[WORDS * at + META]!; meta !== 0; meta = words[WORDS * ++at + META]!) {
			if (words[WORDS * at] !== low || (meta & ~CONFIRMED) !== wanted) continue;
			this.unlink(slot, at);
			return at;
		}
		if (this.#size >= this.sizeMax || at - home >= DISTANCE_MAX) return NONE;
		words[WORDS * at] = low;
		words[WORDS * at + META] = wanted;
		this.#size++;
		this.#counts[slot]!++;
		return at;
	}

	/** Makes the entry, which is in no list, the newest of its slot, or the next older one after `after`. */
	link(slot: number, at: number, after = NONE): void {
		const words = this.#words;
		const next = after === NONE ? this.#newest[slot]! : words[WORDS * after + OLDER]!;
		words[WORDS * at + NEWER] = after;
		words[WORDS * at + OLDER] = next;
		if (after === NONE) this.#newest[slot] = at;
		else words[WORDS * after + OLDER] = at;
		if (next === NONE) this.#oldest[slot] = at;
		else words[WORDS * next + NEWER] = at;
	}

	/** Takes the entry out of its slot's list. */
	unlink(slot: number, at: number): void {
		const words = this.#words;
		const newer = words[WORDS * at + NEWER]!;
		const older = words[WORDS * at + OLDER]!;
		if (newer === NONE) this.#newest[slot] = older;
		else words[WORDS * newer + OLDER] = older;
		if (older === NONE) this.#oldest[slot] = newer;
		else words[WORDS * older + NEWER] = newer;
	}

	/** Makes the entries from `first` to `last`, which follow each other in the slot's list, its newest. */
	bringForward(slot: number, first: number, last: number): void {
		const words = this.#words;
		const front = this.#newest[slot]!;
		if (front === first) return;
		const newer = words[WORDS * first + NEWER]!;
		const older = words[WORDS * last + OLDER]!;
		words[WORDS * newer + OLDER] = older;
		if (older === NONE) this.#oldest[slot] = newer;
		else words[WORDS * older + NEWER] = newer;
		words[WORDS * first + NEWER] = NONE;
		words[WORDS * last + OLDER] = front;
		words[WORDS * front + NEWER] = last;
		this.#newest[slot] = first;
	}

	/** Takes the entry out of list and table. Those behind it that would no longer be found move up. */
	remove(slot: number, at: number): void {
		this.unlink(slot, at);
		this.#counts[slot]!--;
		this.#size--;
		const words = this.#words;
		let hole = at;
		for (let next = at + 1; words[WORDS * next + META] !== 0; next++) {
			if (this.#home(words[WORDS * next]!) > hole) continue;
			this.#move(next, hole);
			hole = next;
		}
		words[WORDS * hole + META] = 0;
	}

	#move(from: number, to: number): void {
		const words = this.#words;
		const meta = words[WORDS * from + META]!;
		const newer = words[WORDS * from + NEWER]!;
		const older = words[WORDS * from + OLDER]!;
		words[WORDS * to] = words[WORDS * from]!;
		words[WORDS * to + META] = meta;
		words[WORDS * to + NEWER] = newer;
		words[WORDS * to + OLDER] = older;
		const slot = (meta & SLOT_BITS) - 1;
		if (newer === NONE) this.#newest[slot] = to;
		else words[WORDS * newer + OLDER] = to;
		if (older === NONE) this.#oldest[slot] = to;
		else words[WORDS * older + NEWER] = to;
	}

	/** Rises with `lo` taken as unsigned, so that a table of any size works and growing keeps the order of places. */
	#home(lo: number): number {
		return ((lo >>> 0) * (this.#places / 0x1_0000_0000)) | 0;
	}

	#grow(places: number): void {
		const old = this.#words;
		const oldPlaces = old.length / WORDS;
		this.#places = places;
		const words = wordsFor(this.#places);
		// Both tables are run through in order; an old entry's hash gives way to its new position.
		for (let from = 0; from < oldPlaces; from++) {
			const meta = old[WORDS * from + META]!;
			if (meta === 0) continue;
			let to = this.#home(old[WORDS * from]!);
			while (words[WORDS * to + META] !== 0) to++;
			words[WORDS * to] = old[WORDS * from]!;
			words[WORDS * to + META] = meta;
			words[WORDS * to + NEWER] = old[WORDS * from + NEWER]!;
			words[WORDS * to + OLDER] = old[WORDS * from + OLDER]!;
			old[WORDS * from] = to;
		}
		const moved = (at: number): number => (at === NONE ? NONE : old[WORDS * at]!);
		for (let at = 0; at < words.length; at += WORDS) {
			if (words[at + META] === 0) continue;
			words[at + NEWER] = moved(words[at + NEWER]!);
			words[at + OLDER] = moved(words[at + OLDER]!);
		}
		for (let slot = 0; slot < this.#counts.length; slot++) {
			this.#newest[slot] = moved(this.#newest[slot]!);
			this.#oldest[slot] = moved(this.#oldest[slot]!);
		}
		this.#words = words;
	}
}

/** Beyond the last home there is room for what was pushed on, and a free place that ends every look. */
function wordsFor(places: number): Int32Array {
	return new Int32Array(WORDS * (places + OVERFLOW));
}

/** Of what `hi()` gave. */
export function isConfirmed(hi: number): boolean {
	return (hi & CONFIRMED) !== 0;
}
