import type { Outcome } from "../../../src/shared/router/training/outcome.ts";
import type { Weights } from "../../../src/shared/router/weights/weights.ts";

/** Something that says how well each model will answer. */
export interface Contender {
	readonly title: string;
	/** Estimated quality by model, in the order of the weights' models. */
	quality(prompt: string): Float64Array;
}

/** What contenders are made from: the outcomes to learn from, and our weights that were trained on the same ones, whose
 *  features and domains the others share. */
export interface Lessons {
	readonly outcomes: readonly Outcome[];
	readonly weights: Weights;
	readonly seed: number;
	readonly epochs: number;
}
