/** One request of a trace, as the replay sees it. */
export interface TraceRequest {
	/** Seconds from the start of the trace. */
	readonly at: number;
	/** Prompt and answer, in tokens; both at least 1. */
	readonly input: number;
	readonly output: number;
	/** Its full prompt blocks, from the first on: equal id, equal prompt up to and with that block. */
	readonly blocks: Int32Array;
	/** Requests of one conversation, or of one agent's session. */
	readonly conversation: number;
}

export interface Trace {
	/** By `at`. */
	readonly requests: readonly TraceRequest[];
	/** Block ids are below this. */
	readonly blockIds: number;
	/** Requests that arrive earlier only fill the caches. Same clock as `at`. */
	readonly judgedFrom: number;
}

/** Tokens of a block, in every trace here. */
export const BLOCK_TOKENS = 512;

/** Longer prompts than an engine here takes are left out of a trace. */
export const INPUT_TOKENS_MAX = 260_000;

/** The trace that starts with its first request, played `speed` times as fast. */
export function atSpeed(trace: Trace, speed: number): Trace {
	const start = trace.requests[0]?.at ?? 0;
	const requests = trace.requests.map((request) => ({ ...request, at: (request.at - start) / speed }));
	return { ...trace, requests, judgedFrom: (trace.judgedFrom - start) / speed };
}

/** Blocks of a prompt that an engine can reuse at most: whole ones, and one token at least is computed anew. */
export function reusableBlocks(request: TraceRequest): number {
	return Math.min(request.blocks.length, Math.floor((request.input - 1) / BLOCK_TOKENS));
}
