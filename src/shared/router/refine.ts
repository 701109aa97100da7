import type { Seconds } from "../units.ts";
import type { PromptEstimate } from "./prompt-estimate.ts";

/** A catalog model, as far as its quality is concerned. */
export interface RefinedModel {
	readonly id: string;
	/** Its index among the estimator's models; null where it names no card, or one that the weights do not have. */
	readonly card: number | null;
}

/** What a router has learned of its models since the weights were made. */
export interface OnlineView {
	/** Unix seconds of the snapshot. */
	readonly madeAt: Seconds;
}

/** What is expected of a model's answer to one prompt. */
export interface Quality {
	readonly quality: number;
	readonly standardError: number;
	/** Nothing is known of it: it may be chosen only where no other can answer, or where it is the incumbent. */
	readonly shadow: boolean;
}

/** Of a model of which nothing is known: anything. */
const UNKNOWN: Quality = { quality: 0.5, standardError: 0.5, shadow: true };

/** The quality of each model, in their order: what the weights say, moved by what was learned. */
export function refine(
	estimate: PromptEstimate | null,
	models: readonly RefinedModel[],
	_view: OnlineView | null,
): Quality[] {
	return models.map(({ card }) => {
		const quality = card === null ? undefined : estimate?.quality[card];
		const standardError = card === null ? undefined : estimate?.standardError[card];
		if (quality === undefined || standardError === undefined || !Number.isFinite(quality)) return UNKNOWN;
		return { quality, standardError: Number.isFinite(standardError) ? standardError : 0.5, shadow: false };
	});
}
