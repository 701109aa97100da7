import type { Outcome } from "./outcome.ts";

/** Two parts of outcomes by their keys: `share` of the keys, about, go into the second. It depends on key, purpose and seed
 *  alone, so that rows that are added move no other; splits of different purposes are independent of each other. */
export function splitByKey(
	outcomes: readonly Outcome[],
	share: number,
	purpose: string,
	seed: number,
): readonly [first: Outcome[], second: Outcome[]] {
	const first: Outcome[] = [];
	const second: Outcome[] = [];
	for (const outcome of outcomes) (shareOf(`${purpose} ${seed} ${outcome.key}`) < share ? second : first).push(outcome);
	return [first, second];
}

/** `count` parts of about as many keys each, independent of splits of other purposes. */
export function foldsByKey(outcomes: readonly Outcome[], count: number, purpose: string, seed: number): Outcome[][] {
	const folds = Array.from({ length: count }, (): Outcome[] => []);
	for (const outcome of outcomes)
		folds[Math.floor(count * shareOf(`${purpose} ${seed} ${outcome.key}`))]!.push(outcome);
	return folds;
}

/** Uniform in [0, 1): FNV-1a and Murmur 3's finaliser. */
function shareOf(text: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	hash ^= hash >>> 16;
	hash = Math.imul(hash, 0x85ebca6b);
	hash ^= hash >>> 13;
	hash = Math.imul(hash, 0xc2b2ae35);
	return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
