/** The bounds of vLLM's own histogram `vllm:time_to_first_token_seconds`, in seconds. */
export const TTFT_BUCKETS = [
	0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
] as const;

export class Histogram {
	readonly bounds: readonly number[];
	/** Observations by bucket; the last one is above every bound. */
	readonly counts: number[];
	sum = 0;

	constructor(bounds: readonly number[]) {
		this.bounds = bounds;
		this.counts = bounds.map(() => 0);
		this.counts.push(0);
	}

	observe(value: number): void {
		let bucket = 0;
		while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
		this.counts[bucket]!++;
		this.sum += value;
	}
}

export type Finish = "stop" | "length" | "abort";

/** What one engine process has counted since it started. Tokens are counted as vLLM does: a prompt when its first token
 *  is there, cached tokens included. */
export class Counters {
	readonly startedAt: number;
	promptTokens = 0;
	generationTokens = 0;
	/** Prompt tokens looked up in the prefix cache, and found there. */
	prefixQueries = 0;
	prefixHits = 0;
	preemptions = 0;
	readonly finished: Record<Finish, number> = { stop: 0, length: 0, abort: 0 };
	readonly ttft = new Histogram(TTFT_BUCKETS);

	/** `startedAt` in seconds since the epoch. */
	constructor(startedAt: number) {
		this.startedAt = startedAt;
	}
}
