import type { Weights } from "../weights/weights.ts";

/** Prompts that a model's level and a domain's difficulty count for beside what was measured there. */
export const PRIOR_PROMPTS = 20;
/** Standard error of a quality that is only such a guess. */
const GUESS_ERROR = 0.15;
/** Domains below this say nothing. */
const POSTERIOR_MIN = 1e-4;

/** What the domains say of each model; reused. */
export interface DomainPrior {
	/** [M] */
	readonly quality: Float64Array;
	/** [M]: squared standard error: the spread between the domains that it may be, and what is not known of each. */
	readonly variance: Float64Array;
	/** [M]: probability that the prompt is of a domain in which the model was measured. */
	readonly measured: Float64Array;
	/** [M]: NaN where no domain tells. */
	readonly outputTokens: Float64Array;
}

export function emptyPrior(models: number): DomainPrior {
	return {
		quality: new Float64Array(models),
		variance: new Float64Array(models),
		measured: new Float64Array(models),
		outputTokens: new Float64Array(models),
	};
}

export function readPrior({ priors, models, domains }: Weights, posterior: Float64Array, out: DomainPrior): void {
	for (let model = 0; model < models.length; model++) {
		const at = model * domains.length;
		let quality = 0;
		let square = 0;
		let error = 0;
		let measured = 0;
		let tokens = 0;
		let told = 0;
		let mass = 0;
		for (let domain = 0; domain < domains.length; domain++) {
			const p = posterior[domain]!;
			if (p < POSTERIOR_MIN) continue;
			const q = priors.quality[at + domain]!;
			const n = priors.evidence[at + domain]!;
			mass += p;
			quality += p * q;
			square += p * q * q;
			error += p * (n > 0 ? (q * (1 - q)) / (n + PRIOR_PROMPTS) : GUESS_ERROR * GUESS_ERROR);
			if (n > 0) measured += p;
			const output = priors.outputTokens[at + domain]!;
			if (output < 0) continue;
			tokens += p * output;
			told += p;
		}
		const mean = quality / mass;
		out.quality[model] = mean;
		out.variance[model] = Math.max(0, square / mass - mean * mean) + error / mass;
		out.measured[model] = measured / mass;
		out.outputTokens[model] = told > 0 ? tokens / told : Number.NaN;
	}
}
