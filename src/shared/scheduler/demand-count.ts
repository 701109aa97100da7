import type { Seconds, Usd } from "../units.ts";
import type { PoolWarmth } from "../warmth/pool-warmth.ts";
import type { ReplicaState } from "./fleet.ts";
import type { Spilled, Warmths } from "./warmths.ts";

/** Counts a request as demand of those replicas that served it, or would have if they were warm, and what it lost where they were
 *  not. It went to `chosen` at `score`, or to the waiting room or another group's pool (null); `cold`: those that are likely cold,
 *  `chosen` perhaps among them. */
export function countDemand(
	warmths: Warmths,
	chosen: ReplicaState | null,
	score: Usd,
	cold: readonly Spilled[],
	now: Seconds,
): void {
	const waits = chosen === null && score === Infinity;
	const joined = waits ? best(cold) : cold.find(({ replica }) => replica === chosen);
	if (joined) missed(warmths, joined, joined.waitUsd, false, now);
	else chosen?.warmth?.demand.arrived(now);
	const paid = joined ? joined.warmScore + joined.waitUsd : score;
	// One of the replicas of a pool would have served it.
	const first = new Map<PoolWarmth, Spilled>();
	for (const each of cold) {
		const { warmth } = each.replica;
		if (!warmth || each === joined || warmth.pool === chosen?.warmth?.pool) continue;
		if (each.warmScore - (warmth.isPlanned ? each.idleUsd : 0) >= paid) continue;
		const known = first.get(warmth.pool);
		if (!known || each.warmScore < known.warmScore) first.set(warmth.pool, each);
	}
	// To be warm costs the price of all seconds until the next request, those in which it is served among them.
	for (const each of first.values()) missed(warmths, each, paid - each.warmScore + each.idleUsd, true, now);
}

function missed(warmths: Warmths, { replica: { warmth } }: Spilled, usd: Usd, isPassed: boolean, now: Seconds): void {
	if (!warmth) return;
	warmth.demand.arrived(now);
	warmth.missed(usd, isPassed, warmths.othersWaking(warmth));
}

function best(cold: readonly Spilled[]): Spilled | undefined {
	return cold.toSorted((a, b) => a.warmScore - b.warmScore)[0];
}
