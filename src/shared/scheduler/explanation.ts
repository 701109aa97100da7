/** What a decision was made of. Plain data, which is stored with every request. */
import type { Usd } from "../units.ts";
import type { ReplicaName } from "./messages.ts";

/** The objective's terms for one candidate, in USD. Their sum is its score; the least score wins. */
export interface Terms {
	/** E[marginal $]: what this request adds to the bill. */
	readonly money: Usd;
	/** Rises with utilisation, else a reserved GPU (marginal price zero) attracts everything. */
	readonly congestion: Usd;
	/** v * E[seconds to the last token]. */
	readonly time: Usd;
	/** v_slo * E[seconds over the TTFT goal]. */
	readonly late: Usd;
	/** What the prefill costs the requests that come behind it. */
	readonly harm: Usd;
	/** What the start of a pool that may be cold adds to the bill, and what going elsewhere has cost while it was cold, which is
	 *  taken off (negative, or zero). Absent for pools that are always there. */
	readonly start?: Usd;
	readonly regret?: Usd;
}

/** Why a replica was no candidate. Append-only: records hold their numbers. */
export const REJECTIONS = [
	"excluded",
	"capability",
	"context",
	"region",
	"unhealthy",
	"concurrency",
	"slow_start",
	"retry_budget",
	"price_ceiling",
	"waking",
	"same_provider",
	"privacy",
	"max_usd",
] as const;
export type Rejection = (typeof REJECTIONS)[number];

/** The decision in columns, because it crosses two object calls and is stored with every request. `explain` in
 *  objective/explain.ts turns it into sentences. */
export interface Explanation {
	readonly replicas: readonly ReplicaName[];
	/** Per replica: 0 for a candidate, otherwise 1 + its index in REJECTIONS. */
	readonly rejected: readonly number[];
	/** EXPLANATION_WIDTH numbers per replica, or WARMTH_WIDTH where some pool scales to zero. A candidate: money, congestion,
	 *  time, late, harm (USD), TTFT, seconds, expected cached tokens; then start, regret (USD), P(cold), E[seconds of a start]. A
	 *  rejected one: what the request needs and what the replica has, where the rule compares numbers. Records of older versions
	 *  have fewer: `explanationWidth`. */
	readonly values: readonly number[];
}
export const EXPLANATION_WIDTH = 8;
export const WARMTH_WIDTH = 12;

/** Numbers per replica in an explanation that may have been stored by an older version. */
export function explanationWidth({ replicas, values }: Explanation): number {
	return replicas.length > 0 ? Math.floor(values.length / replicas.length) : EXPLANATION_WIDTH;
}
