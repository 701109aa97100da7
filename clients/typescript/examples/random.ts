/** Numbers in [0, 1) that depend on the seed alone: xorshift, 32 bits. */
export function seededRandom(seed: number): () => number {
	let state = (seed * 2_654_435_761 + 1) >>> 0 || 1;
	return () => {
		state ^= state << 13;
		state ^= state >>> 17;
		state = (state ^ (state << 5)) >>> 0;
		return state / 2 ** 32;
	};
}

/** The numbers from 0 to before `length`, in a random order. */
export function shuffled(length: number, random: () => number): Uint32Array {
	const order = Uint32Array.from({ length }, (_, i) => i);
	for (let i = length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		const other = order[j]!;
		order[j] = order[i]!;
		order[i] = other;
	}
	return order;
}
