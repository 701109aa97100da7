import type { Seconds } from "../units.ts";
import { OPERATOR } from "./evidence.ts";

/** What was seen so long ago counts half. */
export const HALF_LIFE: Seconds = 30 * 86_400;
/** One key's words count for as much as all others' together, and for so many where the others have said less. */
export const KEY_WEIGHT_FLOOR = 100;

/** What is left of a word of `at`; what has no date does not age. */
export function ageFactor(at: Seconds | null, now: Seconds): number {
	return at === null ? 1 : 2 ** (-Math.max(0, now - at) / HALF_LIFE);
}

/** By key, what its words are multiplied by so that no single one outweighs the rest. */
export function keyFactors(
	said: Iterable<{ readonly key: string; readonly weight: number; readonly at: Seconds | null }>,
	now: Seconds,
): ReadonlyMap<string, number> {
	const sums = new Map<string, number>();
	let total = 0;
	for (const { key, weight, at } of said) {
		const aged = weight * ageFactor(at, now);
		sums.set(key, (sums.get(key) ?? 0) + aged);
		total += aged;
	}
	const factors = new Map<string, number>();
	for (const [key, sum] of sums) {
		const cap = Math.max(KEY_WEIGHT_FLOOR, total - sum);
		factors.set(key, key === OPERATOR ? 1 : Math.min(1, cap / sum));
	}
	return factors;
}
