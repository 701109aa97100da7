export const BLOCK_TOKENS = 16;

export interface ChainRecord {
	readonly tokens: number[];
	/** vLLM's `cache_salt`. */
	readonly salt: string | null;
}

/** The hashes of a growing token sequence, one for each full block of 16 tokens. A hash covers its block and all before it
 *  (two 32-bit lanes, 53 bits of them used), so equal hashes mean equal prefixes. */
export class BlockChain {
	readonly hashes: number[];
	/** What the tokens were, for KV events; null: nobody wants to know. */
	record: ChainRecord | null = null;
	#a: number;
	#b: number;
	#filled: number;

	constructor(salt = 0) {
		this.hashes = [];
		this.#a = 0xdeadbeef ^ salt;
		this.#b = 0x41c6ce57 ^ salt;
		this.#filled = 0;
	}

	push(id: number): void {
		this.record?.tokens.push(id);
		this.#a = Math.imul(this.#a ^ id, 0x9e3779b1);
		this.#a ^= this.#a >>> 15;
		this.#b = Math.imul(this.#b ^ id, 0x5f356495);
		this.#b ^= this.#b >>> 13;
		if (++this.#filled < BLOCK_TOKENS) return;
		this.#filled = 0;
		this.hashes.push((this.#b & 0x1fffff) * 4_294_967_296 + (this.#a >>> 0));
	}

	/** A chain that goes on from here by itself: one for each of the `n` choices of a prompt. */
	fork(): BlockChain {
		const copy = new BlockChain();
		copy.hashes.push(...this.hashes);
		copy.#a = this.#a;
		copy.#b = this.#b;
		copy.#filled = this.#filled;
		copy.record = this.record && { ...this.record, tokens: [...this.record.tokens] };
		return copy;
	}
}
