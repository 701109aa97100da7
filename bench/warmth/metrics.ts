import { percentile } from "../lib/statistics.ts";
import type { Span } from "./box.ts";
import { apiUsd } from "./fleet.ts";
import { API, type Outcome, type Setup } from "./simulate.ts";

export const TTFT_GOAL_SECONDS = 2;

export interface Metrics {
	readonly requests: number;
	/** From the half's beginning to its end. */
	readonly seconds: number;
	/** USD of all GPUs and tokens. */
	readonly usd: number;
	readonly usdPerThousand: number;
	/** Share of requests whose first token came later than the goal, or never. */
	readonly misses: number;
	readonly p50: number;
	readonly p99: number;
	/** Requests that were sent to a box that was not warm. */
	readonly coldSeen: number;
	/** Seconds of GPUs that scale to zero, warm with nothing to do; and those in which they started. */
	readonly idleSeconds: number;
	readonly bootSeconds: number;
	readonly failed: number;
	/** Share that the API answered. */
	readonly spilled: number;
}

export type Half = "first" | "second";

/** Judges the requests that arrive in one half of the traffic, and the bills of its time. What the second half still has to
 *  answer at its end belongs to its time. */
export function metricsOf({ fleet, traffic }: Setup, outcome: Outcome, half: Half): Metrics {
	const { requests, middle } = traffic;
	const [from, to] = half === "first" ? [requests[0]!.at, middle] : [middle, outcome.endedAt];
	const ttfts: number[] = [];
	let [late, failed, coldSeen, spilled, usd] = [0, 0, 0, 0, 0];
	requests.forEach(({ at, input, output }, id) => {
		if (at < middle !== (half === "first")) return;
		const ttft = outcome.ttft[id]!;
		ttfts.push(ttft);
		if (ttft > TTFT_GOAL_SECONDS) late++;
		if (ttft === Infinity) failed++;
		coldSeen += outcome.metStart[id]!;
		if (outcome.to[id] !== API) return;
		spilled++;
		usd += apiUsd(fleet.api, input, output);
	});
	const within = (spans: readonly Span[]): number =>
		spans.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0);
	let [idleSeconds, bootSeconds] = [0, 0];
	fleet.pools.forEach(({ usdPerSecond, zero }, index) => {
		const { ups, idles, boots } = outcome.boxes[index]!;
		usd += usdPerSecond * (zero ? within(ups) : to - from);
		if (!zero) return;
		idleSeconds += within(idles);
		bootSeconds += within(boots);
	});
	const count = ttfts.length;
	return {
		requests: count,
		seconds: to - from,
		usd,
		usdPerThousand: (1_000 * usd) / count,
		misses: late / count,
		p50: percentile(ttfts, 50),
		p99: percentile(ttfts, 99),
		coldSeen,
		idleSeconds,
		bootSeconds,
		failed,
		spilled: spilled / count,
	};
}
