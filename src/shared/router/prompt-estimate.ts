/** What is believed of a prompt before any model has answered it. Indices of `quality`, `standardError` and `outputTokens` are
 *  those of the estimator's `models`, those of `posterior` of its `domains`. */
export interface PromptEstimate {
	/** P(domain | prompt); sums to 1. */
	readonly posterior: Float64Array;
	/** False where the prompt is unlike all that the weights were trained on: then the estimates say little. */
	readonly inDomain: boolean;
	/** Of the posterior, as a share of its greatest: 0 is sure, 1 knows nothing. */
	readonly entropy: number;
	/** Cosine to the nearest anchor; null where the neighbours were not asked. */
	readonly similarity: number | null;
	/** E[quality], 0 to 1. */
	readonly quality: Float64Array;
	/** Of `quality`, 0 to 0.5. */
	readonly standardError: Float64Array;
	/** E[output tokens]; NaN where the weights do not tell. */
	readonly outputTokens: Float64Array;
}

/** A weights file, ready to judge prompts. Pure: the same prompt gets the same estimate. */
export interface Estimator {
	/** Names that the model card uses; a catalog maps its own models to them. */
	readonly models: readonly string[];
	readonly domains: readonly string[];
	/** Digest of the weights. */
	readonly version: string;
	estimate(prompt: string): PromptEstimate;
}
