import { normalCdf } from "../objective/lognormal.ts";

/** Scores in a domain without which no model leaves shadow there: fewer cost more than they gain (leave-one-out on MMLU-Pro). */
export const GATE_EVIDENCE = 70;
/** One-sided. */
export const GATE_CONFIDENCE = 0.9;
/** A loss that nobody would notice. */
export const GATE_MARGIN = 0.02;
/** Pairs from which on the spread of their differences is known well enough. */
const PAIRS_MIN = 30;
/** Of the differences, at least: thirty ties do not make a certainty. */
const VARIANCE_MIN = 0.05;

/** A quality before and after evidence, as `posterior` tells it. */
export interface Level {
	readonly n: number;
	readonly mean: number;
	readonly variance: number;
}

/** Differences of the scores of two models on the same prompts. */
export interface Differences {
	readonly n: number;
	readonly mean: number;
	readonly variance: number;
}

export interface Gate {
	readonly open: boolean;
	/** P(quality gained > -margin). */
	readonly probability: number;
	readonly evidence: number;
	readonly gain: number;
	readonly standardError: number;
}

/** Whether a model is known well enough in a domain to be chosen there: enough scores, and with 90 % confidence no worse than the
 *  incumbent by more than `margin`. Of the two estimates of what it gains, from levels and from pairs, the one with the smaller
 *  standard error counts. */
export function gate(model: Level, incumbent: Level, pairs: Differences, margin = GATE_MARGIN): Gate {
	const ofLevels = { gain: model.mean - incumbent.mean, error: Math.sqrt(model.variance + incumbent.variance) };
	const ofPairs = { gain: pairs.mean, error: Math.sqrt(Math.max(pairs.variance, VARIANCE_MIN) / pairs.n) };
	const { gain, error } = pairs.n >= PAIRS_MIN && ofPairs.error < ofLevels.error ? ofPairs : ofLevels;
	const probability = normalCdf((gain + margin) / Math.max(error, 1e-9));
	const open = model.n >= GATE_EVIDENCE && probability >= GATE_CONFIDENCE;
	return { open, probability, evidence: model.n, gain, standardError: error };
}
