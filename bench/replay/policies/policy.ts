import type { TraceRequest } from "../trace.ts";

/** What routers keep of a replica themselves or are told by it, at this moment. */
export interface ReplicaView {
	/** Requests sent there and not ended. */
	readonly inFlight: number;
	/** Requests that wait in the engine, as its metrics say; never stale here. */
	readonly waiting: number;
	/** Share of the KV memory in use by requests, as its metrics say; never stale here. */
	readonly kvUsage: number;
	/** Prompt tokens sent there that were not expected in its cache and whose first token has not come. */
	readonly pendingTokens: number;
	/** Prompt tokens of the requests in flight, cached or not. */
	readonly promptTokens: number;
	/** Different blocks of the prompts in flight. */
	readonly activeBlocks: number;
	/** Of these, how many this request would add. */
	readonly newActiveBlocks: number;
	/** The true rate. */
	readonly prefillTokensPerSecond: number;
	/** Blocks of this request, from the first on, that the router believes are there from what it sent there. */
	readonly matched: number;
	/** The same as the engine's events say, without delay. */
	readonly held: number;
}

/** The index of the view to send it to. */
export type Choose<S> = (
	request: TraceRequest,
	views: readonly ReplicaView[],
	settings: S,
	rng: () => number,
) => number;

/** A router's policy, from its documents. */
export interface Policy<S> {
	readonly id: string;
	readonly title: string;
	/** What is tried on the first half of a trace; its own defaults stand first. */
	readonly settings: readonly S[];
	/** Makes a chooser for one run: it may keep state. */
	readonly create: () => Choose<S>;
}

/** The index of the least value; the first of equals. */
export function argmin<T>(values: readonly T[], of: (value: T) => number): number {
	let best = 0;
	let least = Infinity;
	values.forEach((value, index) => {
		const score = of(value);
		if (score < least) {
			least = score;
			best = index;
		}
	});
	return best;
}

/** The index of the least value; one at random among equals. */
export function argminRandom<T>(values: readonly T[], of: (value: T) => number, rng: () => number): number {
	const scores = values.map(of);
	const least = Math.min(...scores);
	const ties = scores.flatMap((score, index) => (score === least ? [index] : []));
	return ties[Math.floor(rng() * ties.length)]!;
}
