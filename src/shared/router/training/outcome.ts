/** What models made of one prompt. */
export interface Outcome {
	/** Prompts of one key stand on the same side of every split. */
	readonly key: string;
	readonly prompt: string;
	readonly domain: string;
	/** Data whose models were asked the same prompts. */
	readonly pool: string;
	/** By model, 0 to 1. A model that is missing was not measured. */
	readonly scores: ReadonlyMap<string, number>;
	/** By model. */
	readonly outputTokens: ReadonlyMap<string, number>;
	/** By model: what the request cost. */
	readonly usd: ReadonlyMap<string, number>;
}
