import type { Seconds } from "../units.ts";

/** Who said how good an answer was: the one who used it, a model that the client asked, or the router's own judge. */
export const FEEDBACK_SOURCES = ["user", "judge", "router"] as const;
export type FeedbackSource = (typeof FEEDBACK_SOURCES)[number];

/** What a word of each source counts. A model's verdict is easily gamed: a constant answer beats 76.9 % of honest ones in AlpacaEval. */
export const SOURCE_WEIGHT: Readonly<Record<FeedbackSource, number>> = { user: 1, judge: 0.3, router: 0.3 };

export interface DomainShare {
	readonly name: string;
	/** P(domain | prompt). */
	readonly p: number;
}

/** A routed request as its own record tells it; nothing here comes from whoever sends feedback. */
export interface RoutedAnswer {
	readonly request: string;
	/** Unix seconds of the request. */
	readonly at: Seconds;
	readonly key: string;
	readonly model: string;
	/** Hash of the prompt that was judged. */
	readonly prompt: string;
	readonly domains: readonly DomainShare[];
	/** Of the model for this prompt by the weights' card alone; null where it has none. */
	readonly card: number | null;
	/** The model was drawn at random. */
	readonly explored: boolean;
	/** Probability with which this model was drawn; of a request in a shadow pair, given that the pair was drawn. 1: chosen, not drawn. */
	readonly propensity: number;
	/** The request that it was sent beside. */
	readonly shadowOf: string | null;
	/** Another model was sent the same prompt beside it. */
	readonly shadowed: boolean;
}

/** What is kept of one feedback; one for each (request, source, over), a later one in its place. */
export interface Outcome extends RoutedAnswer {
	readonly source: FeedbackSource;
	/** 0 to 1; of a preference 1, for the one that was preferred. */
	readonly score: number;
	/** Another answer to the same prompt, to which this one was preferred. */
	readonly over: { readonly request: string; readonly model: string } | null;
}

/** Whether an outcome may move an estimate, now or with what is still to come. The rest is counted and shown. */
export function mayMove({ explored, shadowOf, shadowed, over }: Outcome): boolean {
	return explored || shadowOf !== null || shadowed || over !== null;
}

/** One line of an operator's own labels, judged into domains. */
export interface AnchorRow {
	readonly domains: readonly DomainShare[];
	/** By model id; a model that was not scored is absent. */
	readonly scores: Readonly<Record<string, number>>;
	/** By model id, what the card alone expects. */
	readonly cards: Readonly<Record<string, number>>;
}
