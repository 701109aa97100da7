/** Uniform in [0, 1). */
export type Random = () => number;

/** Mulberry32 (Ettinger). The same seed gives the same numbers. */
export function randomOf(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), state | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Fisher and Yates, in place. */
export function shuffle<T extends { length: number; [index: number]: number }>(values: T, random: Random): T {
	for (let i = values.length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		const value = values[i]!;
		values[i] = values[j]!;
		values[j] = value;
	}
	return values;
}
