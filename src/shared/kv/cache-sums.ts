import type { Tokens } from "../units.ts";

/** Running sums over the answers of one replica that reported cached tokens. */
export interface CacheSums {
	answers: number;
	prompt: Tokens;
	/** Held by some replica, though perhaps not by this one: what the best choice for the cache alone would have hit. */
	possible: Tokens;
	/** Held by this replica, as we thought. */
	predicted: Tokens;
	/** Hit, as it reported. */
	actual: Tokens;
	/** Answers that did not say. */
	unreported: number;
}

export function newCacheSums(): CacheSums {
	return { answers: 0, prompt: 0, possible: 0, predicted: 0, actual: 0, unreported: 0 };
}
