import type { FeatureTable } from "../features/features.ts";

/** What judges prompts: everything that training leaves behind. Matrices are row by row. V: grams, H: width of the latent
 *  space, K: inputs of a head (H, the dense features, and a one), D: domains, M: models, P: pools of models that were asked
 *  the same prompts, N: anchors, T: terms of an anchor. */
export interface Weights {
	/** 16 hex digits, of the bytes. */
	readonly version: string;
	readonly models: readonly string[];
	readonly domains: readonly string[];
	/** Data that it was trained on; the models of each, as indices. */
	readonly pools: readonly { readonly name: string; readonly models: readonly number[] }[];
	/** [D]: index of the pool that a domain belongs to. */
	readonly poolOf: Uint8Array;
	readonly features: FeatureTable;
	readonly latent: Latent;
	/** [D x K]: logits of the domains; divided by `temperature`. */
	readonly domainHeads: Float32Array;
	readonly temperature: number;
	/** [M x K]: logits of a model's quality. */
	readonly modelHeads: Float32Array;
	readonly linear: Linear;
	readonly priors: Priors;
	/** [M x 2]: logit of the quality out of domain: intercept, slope of the standardised log of the length. */
	readonly lengthHeads: Float32Array;
	readonly anchors: Anchors;
	/** [P x 2 x BLEND_COUNT]: without and with neighbours. */
	readonly blends: Float32Array;
	/** [P]: standard deviation of what estimates of a (domain, model) are off by, beyond chance. */
	readonly noise: Float32Array;
	readonly novelty: Novelty;
}

export interface Latent {
	readonly width: number;
	/** [V x H]. */
	readonly rows: Int8Array;
	/** [V]: what one step of a row stands for. */
	readonly scales: Float32Array;
}

/** Quality as a linear function of all grams and dense features, by way of columns that the models share. */
export interface Linear {
	/** [V x LINEAR_WIDTH]. */
	readonly rows: Int8Array;
	/** [M x inputsOf(LINEAR_WIDTH)]: what a step of each column stands for, the dense features and a one. */
	readonly heads: Float32Array;
}

/** By model and domain, [M x D]. */
export interface Priors {
	readonly quality: Float32Array;
	/** Prompts that were measured; 0 where the quality is a guess from the model's level and the domain's difficulty. */
	readonly evidence: Float32Array;
	/** Mean output tokens; -1 unknown. */
	readonly outputTokens: Float32Array;
}

export interface Anchors {
	/** T. */
	readonly terms: number;
	/** [N x T]: rows of the vocabulary. */
	readonly rows: Uint16Array;
	/** [N x T]: weight of each in 1/255; 0 is none. Unit length but for rounding. */
	readonly values: Uint8Array;
	/** [N]. */
	readonly pool: Uint8Array;
	/** Quality of the pool's models at each anchor, one after the other, in 1/254; 255: not measured. */
	readonly labels: Uint8Array;
}

/** What makes a prompt new. Signals and thresholds are those of `NOVELTY_SIGNALS`. */
export interface Novelty {
	/** [D x (K - 1)]: means of a domain's prompts in the latent and dense features. */
	readonly centroids: Float32Array;
	/** [K - 1]: standard deviations within domains. */
	readonly sigmas: Float32Array;
	readonly thresholds: Float32Array;
}

/** Each says by itself that a prompt is out of domain when it is above its threshold. */
export const NOVELTY_SIGNALS = ["distance", "unknown", "entropy", "dissimilarity"] as const;

/** Of a blend: constant, and weights of the prior's logit and of what the head, the linear part (of all models, then of this one) and
 *  the neighbours say beyond it. */
export const BLEND_COUNT = 6;

/** Columns of the linear part: two or three for each set of models say nearly all. A multiple of `LANES`. */
export const LINEAR_WIDTH = 8;

export const UNMEASURED = 255;
export const LABEL_STEPS = 254;
