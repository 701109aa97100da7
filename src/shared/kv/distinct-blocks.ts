const PLACES_MIN = 256;

/** Finds where a chain of blocks first repeats itself. A chain of `prefix-chain.ts` does not but by chance or by intent, for a
 *  block's hash goes on from all before it; in an index one that did would stand behind itself in a list. */
export class DistinctBlocks {
	readonly #hiBits: number;
	/** Numbers of blocks by their hashes, and which walk wrote them: nothing has to be cleared. */
	#blocks = new Int32Array(PLACES_MIN);
	#walks = new Int32Array(PLACES_MIN);
	#walk = 0;

	/** `hiBits`: of a hash's high half, those that tell blocks apart. */
	constructor(hiBits: number) {
		this.#hiBits = hiBits;
	}

	/** Of the chain's first `blocks` blocks (two words each), how many stand before one that was there already. */
	before(chain: Uint32Array, blocks: number): number {
		while (this.#blocks.length < 2 * blocks) {
			this.#blocks = new Int32Array(2 * this.#blocks.length);
			this.#walks = new Int32Array(this.#blocks.length);
		}
		const numbers = this.#blocks;
		const walks = this.#walks;
		const last = numbers.length - 1;
		const walk = (this.#walk = (this.#walk + 1) | 0 || 1);
		for (let block = 0; block < blocks; block++) {
			const lo = chain[2 * block]!;
			const hi = chain[2 * block + 1]! & this.#hiBits;
			let place = (lo ^ Math.imul(hi, 0x9e3779b1)) & last;
			for (; walks[place] === walk; place = (place + 1) & last) {
				const other = 2 * numbers[place]!;
				if (chain[other] === lo && (chain[other + 1]! & this.#hiBits) === hi) return block;
			}
			walks[place] = walk;
			numbers[place] = block;
		}
		return blocks;
	}
}
