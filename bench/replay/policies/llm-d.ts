import { BLOCK_TOKENS } from "../trace.ts";
import { argminRandom, type Policy } from "./policy.ts";

interface Weights {
	readonly prefix: number;
	readonly queue: number;
	readonly kv: number;
	/** What the queue scorer counts: requests that wait in the engine, or all in flight (`running-requests`). */
	readonly load: "waiting" | "inFlight";
}

/** llm-d's approximate profile: `prefix * matched / blocks + queue * (most - q) / (most - least) + kv * (1 - usage)`, the most
 *  wins, at random among equals. Its metrics are fresh here. */
export const llmdApproximate: Policy<Weights> = {
	id: "llmd",
	title: "llm-d approximate 2:1",
	settings: (["waiting", "inFlight"] as const).flatMap((load) => [
		{ prefix: 2, queue: 1, kv: 1, load },
		{ prefix: 2, queue: 1, kv: 0, load },
		{ prefix: 3, queue: 2, kv: 2, load },
		{ prefix: 1, queue: 2, kv: 0, load },
	]),
	create:
		() =>
		({ blocks }, views, { prefix, queue, kv, load }, rng) => {
			const queues = views.map((view) => view[load]);
			const most = Math.max(...queues);
			const span = most - Math.min(...queues);
			return argminRandom(
				views,
				(view) => {
					const room = span === 0 ? 1 : (most - view[load]) / span;
					const match = view.matched / Math.max(1, blocks.length);
					return -(prefix * match + queue * room + kv * (1 - view.kvUsage));
				},
				rng,
			);
		},
};

interface Affinity {
	/** Share of the prompt that has to match for a replica to be one to stick to. */
	readonly threshold: number;
	readonly maxTtftPenaltyMs: number;
	/** Tokens a second, one constant for all replicas. */
	readonly peakPrefillThroughput: number;
}

const TOKEN_LOAD_MAX = 4_194_304;

/** llm-d's `prefix-cache-affinity-filter` with the token-load scorer ("stick or spill"): the replicas that hold the prefix,
 *  unless the least loaded of them is expected to be later than the least loaded of all by more than the penalty; of those
 *  that remain, the one with the fewest tokens in flight. */
export const llmdAffinity: Policy<Affinity> = {
	id: "llmd_affinity",
	title: "llm-d stick or spill",
	settings: [18_000, 6_000, 2_000, 500].flatMap((maxTtftPenaltyMs) =>
		[0.8, 0.3].map((threshold) => ({ threshold, maxTtftPenaltyMs, peakPrefillThroughput: 15_928 })),
	),
	create:
		() =>
		({ blocks, input }, views, { threshold, maxTtftPenaltyMs, peakPrefillThroughput }, rng) => {
			const load = ({ promptTokens }: (typeof views)[number]): number => Math.min(promptTokens, TOKEN_LOAD_MAX);
			const sticky = views.filter(({ matched }) => matched >= threshold * Math.max(1, blocks.length));
			const least = (candidates: typeof views): (typeof views)[number] =>
				candidates[argminRandom(candidates, load, rng)]!;
			const any = least(views);
			if (sticky.length === 0) return views.indexOf(any);
			const stick = least(sticky);
			const seconds = (view: typeof stick): number =>
				(view.pendingTokens + Math.max(0, input - view.matched * BLOCK_TOKENS)) / peakPrefillThroughput;
			const penalty = seconds(stick) - seconds(any);
			return views.indexOf(penalty * 1_000 > maxTtftPenaltyMs ? any : stick);
		},
};
