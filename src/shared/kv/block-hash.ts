/** Two 32-bit halves of a 64-bit value. */
export interface Hash64 {
	readonly lo: number;
	readonly hi: number;
}

/** Odd 32-bit constants with about as many ones as zeros: MurmurHash3's (Appleby, public domain) and xxHash32's primes. */
const C1 = 0xcc9e2d51;
const C2 = 0x9e3779b1;
const M1 = 0x85ebca77;
const M2 = 0x1b873593;
const N1 = 0xe6546b64;
/** The state before anything was hashed, digits of pi. */
const START: Hash64 = { lo: 0x243f6a88, hi: 0x85a308d3 };

/** Hashes `bytes`, which begin on a word of their buffer, up to `end` in blocks of `blockBytes` (a multiple of 8), each chained to those before it: two words (lo,
 *  hi) a block, at most `blocksMax` blocks, and nothing for what does not fill a block. Equal up to a block: equal words up to
 *  it. Two 32-bit words a step, one into each half of the state, and each half into the other: for given words a step maps
 *  states one to one, for a given state words, so that even texts that differ in two words only collide with 2^-64. Twice as
 *  fast as every word into both halves. Not cryptographic: who knows the seed can invert it, and make texts that collide or
 *  bring the state back. */
export function hashBlocks(
	bytes: Uint8Array,
	end: number,
	blockBytes: number,
	blocksMax: number,
	seed: Hash64,
): Uint32Array<ArrayBuffer> {
	const blocks = Math.min(blocksMax, Math.floor(end / blockBytes));
	const chain = new Uint32Array(2 * blocks);
	// Least byte first: every platform that we run on has it so.
	const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
	const blockWords = blockBytes >> 2;
	let a = seed.lo | 0;
	let b = seed.hi | 0;
	let at = 0;
	for (let block = 0; block < blocks; block++) {
		for (const stop = at + blockWords; at < stop; at += 2) {
			a ^= Math.imul(words[at]!, C1);
			a = (Math.imul((a << 13) | (a >>> 19), M1) + b) | 0;
			b ^= Math.imul(words[at + 1]!, C2);
			b = (Math.imul((b << 17) | (b >>> 15), M2) + a) | 0;
		}
		const x = a ^ avalanche(b);
		const y = b ^ avalanche(x);
		chain[2 * block] = x ^ avalanche(y);
		chain[2 * block + 1] = y;
	}
	return chain;
}

/** A like mixing over bytes of any number, every word into both halves. */
export function hash64(bytes: Uint8Array, start: number, end: number, seed: Hash64 = START): Hash64 {
	let a = seed.lo | 0;
	let b = seed.hi | 0;
	for (let at = start; at < end; at += 4) {
		let word = bytes[at]!;
		if (at + 1 < end) word |= bytes[at + 1]! << 8;
		if (at + 2 < end) word |= bytes[at + 2]! << 16;
		if (at + 3 < end) word |= bytes[at + 3]! << 24;
		a ^= Math.imul(word, C1);
		a = (Math.imul((a << 13) | (a >>> 19), M1) + N1) | 0;
		b = ((b ^ Math.imul(word, C2)) + a) | 0;
		b = Math.imul((b << 17) | (b >>> 15), M2);
	}
	a ^= end - start;
	const x = a ^ avalanche(b);
	const y = b ^ avalanche(x);
	return { lo: (x ^ avalanche(y)) >>> 0, hi: y >>> 0 };
}

/** MurmurHash3's finaliser: every bit of the input moves every bit of the output. */
function avalanche(value: number): number {
	let h = value;
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return h ^ (h >>> 16);
}
