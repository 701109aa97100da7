/** Seeded uniform numbers in [0, 1) (mulberry32). */
export function uniforms(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Seeded standard normal numbers (Box-Muller). */
export function normals(seed: number): () => number {
	const uniform = uniforms(seed);
	return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** What storage gives back: what was stored, unless damage has left `text` of it. */
export function throughJson<T>(stored: T, text = JSON.stringify(stored)): T {
	const value: T = JSON.parse(text);
	return value;
}
