import type { Answer } from "./answer.ts";
import { fromLogOdds, logOdds } from "./log-odds.ts";

export interface TokenProbability {
	/** Mean natural logarithm of an answer token's probability. */
	readonly mean: number;
	readonly min: number;
}

/** How sure a model was of its own tokens, of all choices; null where the pool did not tell. */
export function tokenProbability({ choices }: Answer): TokenProbability | null {
	let sum = 0;
	let count = 0;
	let min = 0;
	for (const { logprobs } of choices) {
		for (const logprob of logprobs) {
			sum += logprob;
			min = Math.min(min, logprob);
			count++;
		}
	}
	return count === 0 ? null : { mean: sum / count, min };
}

/** A mean that tells nothing for or against, and how much one below it tells. Tuned models are too sure of themselves, so the
 *  weight is small and what one can say is bounded. */
const NEUTRAL_MEAN = -0.15;
const WEIGHT = 3;
const SAYS_AT_MOST = 1;

/** P(right) with that in mind. */
export function withTokenProbability(probability: number, told: TokenProbability | null): number {
	if (!told) return probability;
	const says = WEIGHT * (told.mean - NEUTRAL_MEAN);
	return fromLogOdds(logOdds(probability) + Math.max(-SAYS_AT_MOST, Math.min(SAYS_AT_MOST / 2, says)));
}
