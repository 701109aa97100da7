import type { Seconds } from "../units.ts";

/** What a router has learned, as isolates hold it: some kilobytes. Numbers of (domain, model) stand at `domain * models + model`. */
export interface OnlineView {
	/** Rises with every change. */
	readonly revision: number;
	readonly madeAt: Seconds;
	/** Those with evidence; the first is all of them together. */
	readonly domains: readonly string[];
	/** Ids of the catalog. */
	readonly models: readonly string[];
	/** Scores that each cell is worth; 0: nothing is known. */
	readonly evidence: Float32Array;
	/** E[quality] there, for a model whose quality no card tells. */
	readonly level: Float32Array;
	/** Of `level`. */
	readonly standardError: Float32Array;
	/** Mean score less what the card expected of the same prompts; 0 where the card said nothing of them. */
	readonly shift: Float32Array;
	/** 1: the model may be chosen there without a card. */
	readonly open: Uint8Array;
	/** By model: its labelled prompts stand for a card. */
	readonly labelled: Uint8Array;
	/** By model: strength in Plackett and Luce's model, over all domains; logarithms that sum to 0. */
	readonly strengths: Float32Array;
}

/** A router as the catalog has it, for its object. A model whose `version` is another than before starts anew. */
export interface RouterSetup {
	/** Of the catalog. An older one changes nothing. */
	readonly catalogVersion: number;
	readonly models: readonly { readonly id: string; readonly version: string }[];
	readonly incumbent: string | null;
	/** Share of the incumbent's quality that may be lost, at most. */
	readonly margin: number;
}
