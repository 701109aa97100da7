/** The scores between which another opinion is worth asking for. */
export interface Window {
	readonly low: number;
	readonly high: number;
}

export const EVERYTHING: Window = { low: -Infinity, high: Infinity };

/** Fewer scores than this say nothing of the traffic. */
export const SCORES_MIN = 50;

/** The scores within `halfWidth` (a share of the traffic) of the threshold's own quantile: outside, the decision is not close.
 *  `scores` are recent ones, in any order. As window-based early exit does (Xia and Bouganis, ICCV
 *  2023), with the quantiles taken anew from the traffic, so that it follows a drift. */
export function windowAround(threshold: number, scores: readonly number[], halfWidth: number): Window {
	if (scores.length < SCORES_MIN) return EVERYTHING;
	const sorted = [...scores].sort((a, b) => a - b);
	let below = 0;
	while (below < sorted.length && sorted[below]! < threshold) below++;
	const at = below / sorted.length;
	return { low: quantile(sorted, at - halfWidth, -Infinity), high: quantile(sorted, at + halfWidth, Infinity) };
}

function quantile(sorted: readonly number[], share: number, beyond: number): number {
	if (share <= 0 || share >= 1) return beyond;
	return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

export function isInside({ low, high }: Window, score: number): boolean {
	return score >= low && score <= high;
}

/** The scores seen last. */
export class RecentScores {
	readonly #scores: number[] = [];
	readonly #max: number;
	#next = 0;

	constructor(max: number) {
		this.#max = max;
	}

	add(score: number): void {
		this.#scores[this.#next] = score;
		this.#next = (this.#next + 1) % this.#max;
	}

	get all(): readonly number[] {
		return this.#scores;
	}
}
