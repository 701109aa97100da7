import { admits } from "../admission/health.ts";
import type { Load } from "../admission/reservations.ts";
import type { Seconds } from "../units.ts";
import type { Fleet, ReplicaState } from "./fleet.ts";
import { REJECTIONS, type Explanation, type Rejection } from "./explanation.ts";

/** Rules that say the same whatever a replica is doing. */
const LASTING: ReadonlySet<Rejection> = new Set(["excluded", "capability", "context", "region", "privacy", "max_usd"]);

/** The replicas that a request may use once they have a place for it, a bit each, the fleet's first replica the highest.
 *  What is worth waiting for: two requests with the same bits can be placed at the same times, except for what is particular
 *  to one of them (a price ceiling, a retry). */
export function candidatesOf({ rejected }: Explanation): bigint {
	return bits(rejected.map((code) => code === 0 || !LASTING.has(REJECTIONS[code - 1]!)));
}

/** The replicas that have a place now, numbered in the same way. */
export function freeReplicas({ replicas }: Fleet, load: (replica: ReplicaState) => Load, now: Seconds): bigint {
	return bits(
		replicas.map((replica) => {
			const { health, entry, warmth } = replica;
			const limit = admits(health, entry.maxConcurrency, now).limit;
			return load(replica).inFlight < (warmth ? Math.min(limit, warmth.limit) : limit);
		}),
	);
}

/** Requests that these replicas take at once. */
export function placesOf({ replicas }: Fleet, candidates: bigint): number {
	const text = candidates.toString(2).padStart(replicas.length, "0");
	return replicas.reduce((sum, { entry }, i) => (text[i] === "1" ? sum + entry.maxConcurrency : sum), 0);
}

function bits(flags: readonly boolean[]): bigint {
	return BigInt(`0b0${flags.map((flag) => (flag ? "1" : "0")).join("")}`);
}
