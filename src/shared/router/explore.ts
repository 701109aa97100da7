import type { Usd } from "../units.ts";

/** The most of a router's requests that may be drawn rather than chosen. */
export const EXPLORE_SHARE_MAX = 0.05;
/** Standard errors by which a candidate may be better than it looks: one-sided 95 %. */
const OPTIMISM = 1.645;

export interface Explorable {
	/** USD; the least is chosen. */
	readonly score: Usd;
	/** Of the score, by what is not known of the model's quality. */
	readonly standardError: Usd;
	/** Not to be chosen yet. */
	readonly shadow: boolean;
}

export interface Draw {
	readonly index: number;
	readonly explored: boolean;
	/** Probability with which this candidate was drawn; 1 where none was. */
	readonly propensity: number;
}

/** With probability `share` a candidate drawn evenly from those that may be the best for all that is known (their score less
 *  what it may be wrong by reaches the chosen one's), otherwise `chosen`. `u` is uniform in [0, 1) and the only chance in it.
 *  Nothing is explored where nothing else is plausible. */
export function explore(candidates: readonly Explorable[], chosen: number, share: number, u: number): Draw {
	const plain = { index: chosen, explored: false, propensity: 1 };
	const best = candidates[chosen];
	if (!best || !(u < share)) return plain;
	const plausible = [...candidates.keys()].filter((index) => {
		const { score, standardError, shadow } = candidates[index]!;
		return index === chosen || (!shadow && score - OPTIMISM * standardError <= best.score);
	});
	if (plausible.length < 2) return plain;
	const drawn = Math.min(plausible.length - 1, Math.floor((u / share) * plausible.length));
	return { index: plausible[drawn]!, explored: true, propensity: share / plausible.length };
}
