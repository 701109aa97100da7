import type { EngineSpec } from "../../../../bench/replay/engine/spec.ts";
import { BLOCK_TOKENS, type Trace, type TraceRequest } from "../../../../bench/replay/trace.ts";
import type { ReplicaView } from "../../../../bench/replay/policies/policy.ts";

/** 10,000 tokens/s, steps without a cost of their own. */
export const PLAIN: EngineSpec = {
	prefillTokensPerSecond: 10_000,
	stepSeconds: 0,
	stepSecondsPerSequence: 0,
	stepSecondsPerContextToken: 0,
	stepTokens: 2_048,
	runningMax: 64,
	kvBlocks: 10_000,
	overheadSeconds: 0,
};

/** A prompt of so many tokens whose blocks are numbered from `first` on. */
export function requestOf(at: number, input: number, output = 1, first = 0, conversation = 0): TraceRequest {
	const blocks = Int32Array.from({ length: Math.floor(input / BLOCK_TOKENS) }, (_, i) => first + i);
	return { at, input, output, blocks, conversation };
}

export function traceOf(requests: readonly TraceRequest[]): Trace {
	const blockIds = 1 + Math.max(0, ...requests.flatMap(({ blocks }) => [...blocks]));
	return { requests, blockIds, judgedFrom: 0 };
}

export const toFirst = () => ({ route: (_id: number, _request: TraceRequest, send: (n: number) => void) => send(0) });

export function viewOf(change: Partial<ReplicaView> = {}): ReplicaView {
	return {
		inFlight: 0,
		waiting: 0,
		kvUsage: 0,
		pendingTokens: 0,
		promptTokens: 0,
		activeBlocks: 0,
		newActiveBlocks: 0,
		prefillTokensPerSecond: 10_000,
		matched: 0,
		held: 0,
		...change,
	};
}
