/** Bits of the filter: 32 KB, which stays in the first cache. */
const FILTER_BITS = 18;

/** The grams that a weights file knows, by hash: an open-addressing table with linear probing, at most half full, behind a
 *  filter of one bit a hash, since most grams of a prompt are not known. */
export class Vocabulary {
	readonly #mask: number;
	/** Of a slot: the key, and its row plus one; 0 is an empty slot. */
	readonly #slots: Uint32Array;
	readonly #filter = new Uint8Array(2 ** (FILTER_BITS - 3));

	/** `hashes`: distinct, in the order of their rows. */
	constructor(hashes: Uint32Array) {
		const slots = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * hashes.length)));
		this.#mask = slots - 1;
		this.#slots = new Uint32Array(2 * slots);
		hashes.forEach((hash, row) => {
			const bit = hash >>> (32 - FILTER_BITS);
			this.#filter[bit >> 3]! |= 1 << (bit & 7);
			let slot = hash & this.#mask;
			while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask;
			this.#slots[2 * slot] = hash;
			this.#slots[2 * slot + 1] = row + 1;
		});
	}

	/** -1 where it is not known. */
	rowOf(hash: number): number {
		const bit = hash >>> (32 - FILTER_BITS);
		if ((this.#filter[bit >> 3]! & (1 << (bit & 7))) === 0) return -1;
		const slots = this.#slots;
		const mask = this.#mask;
		for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
			const row = slots[2 * slot + 1]!;
			if (row === 0) return -1;
			if (slots[2 * slot] === hash) return row - 1;
		}
	}
}
