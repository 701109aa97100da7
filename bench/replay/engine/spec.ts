/** How fast one engine is and how much it holds. */
export interface EngineSpec {
	readonly prefillTokensPerSecond: number;
	/** Of every step, whatever is in it: mostly reading the weights. */
	readonly stepSeconds: number;
	/** What each sequence that decodes adds to a step, and each token of context that it reads. */
	readonly stepSecondsPerSequence: number;
	readonly stepSecondsPerContextToken: number;
	/** Tokens that one step computes at most, decoded ones included (chunked prefill). */
	readonly stepTokens: number;
	/** Sequences that run at once. */
	readonly runningMax: number;
	readonly kvBlocks: number;
	/** From the arrival of a request until the engine has it: HTTP and tokenising. */
	readonly overheadSeconds: number;
}

/** What one step computes, the same for several steps in a row. */
export interface StepLoad {
	/** Prompt tokens in each step. */
	readonly prefill: number;
	/** Sequences that decode, one token each a step. */
	readonly decoding: number;
	/** Tokens of context that they read in the first of the steps; each adds one a step. */
	readonly context: number;
}

/** Seconds that `steps` steps of the same load take. */
export function stepsSeconds(spec: EngineSpec, { prefill, decoding, context }: StepLoad, steps: number): number {
	const each = spec.stepSeconds + spec.stepSecondsPerSequence * decoding + prefill / spec.prefillTokensPerSecond;
	const read = steps * context + (decoding * steps * (steps - 1)) / 2;
	return steps * each + spec.stepSecondsPerContextToken * read;
}
