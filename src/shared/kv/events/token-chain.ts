/** Tokens of one block of ours, whatever the engine's block size. */
export const TOKEN_BLOCK = 16;

/** Hashes of a growing token sequence, one for each 16 tokens and all that comes before them: a state of 64 bits that every
 *  token goes through, so that it can be kept at any token and gone on from. Every step can be undone, so no two sequences
 *  of one length meet more often than chance (2^-64) has it. */
export class TokenChain {
	a = 0;
	b = 0;
	/** Tokens since the last full block. */
	filled = 0;

	/** The chain's start: sequences of different adapters share no block. */
	start(lora: string | null): void {
		this.a = 0x2545f491;
		this.b = 0x6c8e9cf5;
		this.filled = 0;
		if (lora !== null) this.mix(lora);
	}

	resume(a: number, b: number, filled: number): void {
		this.a = a;
		this.b = b;
		this.filled = filled;
	}

	/** Takes in one token; true when it completes a block, whose hash is then `a` and `b`. */
	push(token: number): boolean {
		let a = Math.imul(this.a ^ token, 0x9e3779b1);
		a ^= a >>> 15;
		let b = Math.imul(this.b ^ token, 0x5f356495);
		b ^= b >>> 13;
		if (++this.filled < TOKEN_BLOCK) {
			this.a = a;
			this.b = b;
			return false;
		}
		this.filled = 0;
		// The lanes meet once a block.
		a ^= Math.imul((b << 9) | (b >>> 23), 0x85ebca6b);
		b ^= Math.imul((a << 13) | (a >>> 19), 0xc2b2ae35);
		this.a = a;
		this.b = b;
		return true;
	}

	/** Takes in what an engine hashed beside the tokens from here on. */
	mix(text: string): void {
		let a = this.a ^ 0x51ed270b;
		let b = this.b ^ text.length;
		for (let index = 0; index < text.length; index++) {
			const unit = text.charCodeAt(index);
			a = Math.imul(a ^ unit, 0x9e3779b1);
			a ^= a >>> 15;
			b = Math.imul(b ^ unit, 0x5f356495);
			b ^= b >>> 13;
		}
		this.a = a ^ Math.imul((b << 9) | (b >>> 23), 0x85ebca6b);
		this.b = b;
	}
}

/** The hashes of a prompt's full blocks, two 32-bit words each. `extra`: what the engine hashed into
 *  the first block beside its tokens (`extraText`), such as a cache salt. */
export function tokenChain(tokens: Uint32Array, lora: string | null, extra: string | null): Uint32Array {
	const hashes = new Uint32Array(2 * Math.floor(tokens.length / TOKEN_BLOCK));
	const chain = new TokenChain();
	chain.start(lora);
	if (extra !== null) chain.mix(extra);
	let at = 0;
	for (let index = 0; index < tokens.length; index++) {
		if (!chain.push(tokens[index]!)) continue;
		hashes[at++] = chain.a;
		hashes[at++] = chain.b;
	}
	return hashes;
}
