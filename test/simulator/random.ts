export type Rng = () => number;

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32, Tommy Ettinger, public domain). */
export function seeded(seed: number): Rng {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let z = state;
		z = Math.imul(z ^ (z >>> 15), z | 1);
		z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
		return ((z ^ (z >>> 14)) >>> 0) / 4_294_967_296;
	};
}

/** Spreads the bits of a 32-bit number (the finaliser of MurmurHash3). */
export function scramble(hash: number): number {
	let h = hash;
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit hash of the code units `start` to `end` of `text` (FNV-1a, then scrambled). */
export function hashText(text: string, seed = 0, start = 0, end = text.length): number {
	let h = 0x811c9dc5 ^ seed;
	for (let i = start; i < end; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
	return scramble(h);
}

export function combine(a: number, b: number): number {
	return scramble(Math.imul(a, 0x9e3779b1) ^ scramble(b));
}

/** A draw from the log-normal with this median; `sigma` is the standard deviation of the logarithm. */
export function logNormal(rng: Rng, median: number, sigma: number): number {
	const radius = Math.sqrt(-2 * Math.log(1 - rng()));
	return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * rng()));
}
