import { percentile } from "../lib/statistics.ts";
import type { Outcome } from "./simulate.ts";
import type { Trace } from "./trace.ts";

export const TTFT_GOAL_SECONDS = 2;

export interface Metrics {
	/** Share of prompt tokens that were found in a cache. */
	readonly hitRate: number;
	/** Seconds. */
	readonly mean: number;
	readonly p50: number;
	readonly p99: number;
	/** Of all requests: share whose first token came within the goal. */
	readonly withinGoal: number;
	/** Requests a second that came within the goal. */
	readonly goodput: number;
	/** USD of the whole fleet per million tokens, prompt and answer, of requests within the goal. */
	readonly usdPerMillion: number;
}

/** Judges the requests that a trace says are to be judged. */
export function metricsOf({ requests, judgedFrom: from }: Trace, outcome: Outcome, fleetUsdPerHour: number): Metrics {
	const ttfts: number[] = [];
	let prompt = 0;
	let cached = 0;
	let good = 0;
	let goodTokens = 0;
	requests.forEach(({ at, input, output }, id) => {
		if (at < from) return;
		const ttft = outcome.ttft[id]!;
		ttfts.push(ttft);
		prompt += input;
		cached += outcome.cached[id]!;
		if (ttft > TTFT_GOAL_SECONDS) return;
		good++;
		goodTokens += input + output;
	});
	const seconds = requests.at(-1)!.at - from;
	return {
		hitRate: cached / prompt,
		mean: ttfts.reduce((sum, ttft) => sum + ttft, 0) / ttfts.length,
		p50: percentile(ttfts, 50),
		p99: percentile(ttfts, 99),
		withinGoal: good / ttfts.length,
		goodput: good / seconds,
		usdPerMillion: ((fleetUsdPerHour / 3_600) * seconds * 1e6) / goodTokens,
	};
}
