import type { Outcome } from "./outcome.ts";

/** Two parts of outcomes by their keys: `share` of the keys, about, go into the second. It depends on key and seed alone, so
 *  that rows that are added move no other. */
export function splitByKey(
	outcomes: readonly Outcome[],
	share: number,
	seed: number,
): readonly [first: Outcome[], second: Outcome[]] {
	const first: Outcome[] = [];
	const second: Outcome[] = [];
	for (const outcome of outcomes) (shareOf(outcome.key, seed) < share ? second : first).push(outcome);
	return [first, second];
}

/** Uniform in [0, 1): FNV-1a and Murmur 3's finaliser. */
function shareOf(key: string, seed: number): number {
	let hash = 0x811c9dc5 ^ seed;
	for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
	hash ^= hash >>> 16;
	hash = Math.imul(hash, 0x85ebca6b);
	hash ^= hash >>> 13;
	hash = Math.imul(hash, 0xc2b2ae35);
	return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
