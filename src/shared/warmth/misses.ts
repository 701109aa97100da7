import type { Usd } from "../units.ts";

/** What it has cost that requests found a replica cold or waking, each against its being warm. */
export interface Misses {
	/** E[USD a request]: the premium of going elsewhere, or the wait for the start. */
	readonly usd: Usd;
	/** Share of them that went elsewhere, so that the replica stayed as it was. */
	readonly passed: number;
	/** How many have been seen. */
	readonly count: number;
}

/** The newest has this share at least. */
const GAIN = 0.1;

/** Nothing seen yet: nobody knows of another pool, so that the first one waits. */
export function expectedMiss(waitUsd: Usd): Misses {
	return { usd: waitUsd, passed: 0, count: 0 };
}

/** One more. The first takes the place of what was expected before any was seen. */
export function missed(known: Misses, usd: Usd, isPassed: boolean): Misses {
	const count = known.count + 1;
	const gain = Math.max(GAIN, 1 / count);
	return {
		usd: known.usd + gain * (Math.max(0, usd) - known.usd),
		passed: known.passed + gain * ((isPassed ? 1 : 0) - known.passed),
		count,
	};
}
