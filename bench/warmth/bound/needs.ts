import type { TraceRequest } from "../../replay/trace.ts";
import { apiUsd, type PoolSpec } from "../fleet.ts";
import { TTFT_GOAL_SECONDS } from "../metrics.ts";
import { apiTtft, type Setup } from "../simulate.ts";

/** What one request at least needs of one pool that serves it within the goal. */
export interface Need {
	/** Seconds after its arrival at which the pool must begin with it at the latest; negative: it cannot be in time. */
	readonly slack: number;
	/** From then until its last token, alone there. */
	readonly seconds: number;
	/** Seconds of its prompt, which nobody else can use, and all that nobody else can use in the fullest batches. */
	readonly prefill: number;
	readonly work: number;
}

/** The judged requests, and what they need. */
export interface Demand {
	readonly from: number;
	readonly at: readonly number[];
	/** Of the API. */
	readonly usd: readonly number[];
	/** The API's own luck makes it late. */
	readonly apiIsLate: readonly boolean[];
	/** By pool, then by request. */
	readonly needs: readonly (readonly Need[])[];
}

export function demandOf({ fleet, traffic, seed }: Setup): Demand {
	const judged = traffic.requests.flatMap((request, id) => (request.at >= traffic.middle ? [{ request, id }] : []));
	return {
		from: traffic.middle,
		at: judged.map(({ request }) => request.at),
		usd: judged.map(({ request: { input, output } }) => apiUsd(fleet.api, input, output)),
		apiIsLate: judged.map(({ id }) => apiTtft(fleet.api, seed, id) > TTFT_GOAL_SECONDS),
		needs: fleet.pools.map((pool) => judged.map(({ request }) => needOf(pool, request))),
	};
}

/** Steps cost at least their fixed part, the sequence's own, and its prompt's tokens; contexts are left out. */
export function needOf({ engine }: PoolSpec, { input, output }: TraceRequest): Need {
	const { overheadSeconds, prefillTokensPerSecond, stepSeconds, stepSecondsPerSequence, runningMax } = engine;
	const prefill = input / prefillTokensPerSecond;
	const ttft = overheadSeconds + prefill + stepSeconds;
	const decode = (output - 1) * (stepSeconds + stepSecondsPerSequence);
	return {
		slack: TTFT_GOAL_SECONDS - ttft,
		seconds: ttft + decode,
		prefill,
		work: prefill + (output - 1) * (stepSeconds / runningMax + stepSecondsPerSequence),
	};
}
