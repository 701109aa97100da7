import { relativeEntropy } from "./probability.ts";
import { NOVELTY_SIGNALS, type Novelty } from "../weights/weights.ts";

/** How unlike a domain's prompts the inputs are: mean squared deviation from the nearest domain's mean, in standard
 *  deviations within domains (Mahalanobis with a diagonal covariance that all domains share; after Lee et al. 2018). */
export function distanceOf({ centroids, sigmas }: Novelty, inputs: Float64Array): number {
	const length = sigmas.length;
	let least = Number.POSITIVE_INFINITY;
	for (let at = 0; at < centroids.length; at += length) {
		let sum = 0;
		for (let i = 0; i < length && sum < least; i++) {
			const z = (inputs[i]! - centroids[at + i]!) / sigmas[i]!;
			sum += z * z;
		}
		if (sum < least) least = sum;
	}
	return least / length;
}

/** In the order of `NOVELTY_SIGNALS`; what was not measured is null and never above its threshold. */
export type Signals = readonly [distance: number, unknown: number, entropy: number, dissimilarity: number | null];

export function signalsOf(
	novelty: Novelty,
	inputs: Float64Array,
	unknown: number,
	posterior: Float64Array,
	similarity: number | null,
): Signals {
	const dissimilarity = similarity === null ? null : 1 - similarity;
	return [distanceOf(novelty, inputs), unknown, relativeEntropy(posterior), dissimilarity];
}

export function isNew({ thresholds }: Novelty, signals: Signals): boolean {
	return NOVELTY_SIGNALS.some((_, i) => {
		const signal = signals[i];
		return signal !== null && signal !== undefined && signal > thresholds[i]!;
	});
}
