import { createEstimator } from "../../src/shared/router/estimator/estimator.ts";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import type { Weights } from "../../src/shared/router/weights/weights.ts";
import { isGsm8k, type Pool } from "./pools.ts";
import { judgePairs } from "./strong-weak.ts";

/** Weights of MMLU before GSM8K's prompts. */
export interface OutOfDomain {
	readonly prompts: number;
	/** Of GSM8K's prompts: taken for new. */
	readonly detected: number;
	/** Of MMLU's that were not trained on: taken for new as well. */
	readonly falsely: number;
	readonly apgr: number;
	/** Of the length alone: longer prompts to the strong model. */
	readonly lengthApgr: number;
}

export function judgeNew(
	{ strong, weak }: Pool,
	weights: Weights,
	inside: readonly Outcome[],
	all: readonly Outcome[],
): OutOfDomain {
	const estimator = createEstimator(weights);
	const gsm8k = all.filter(({ domain }) => isGsm8k(domain));
	const estimates = gsm8k.map(({ prompt }) => estimator.estimate(prompt));
	const [s, w] = [estimator.models.indexOf(strong), estimator.models.indexOf(weak)];
	const apgr = (score: (i: number) => number) =>
		judgePairs(
			gsm8k.map(({ scores }, i) => ({ score: score(i), strong: scores.get(strong)!, weak: scores.get(weak)! })),
		).apgr;
	return {
		prompts: gsm8k.length,
		detected: estimates.filter(({ inDomain }) => !inDomain).length / gsm8k.length,
		falsely: inside.filter(({ prompt }) => !estimator.estimate(prompt).inDomain).length / inside.length,
		apgr: apgr((i) => estimates[i]!.quality[s]! - estimates[i]!.quality[w]!),
		lengthApgr: apgr((i) => gsm8k[i]!.prompt.length),
	};
}
