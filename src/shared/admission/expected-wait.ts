import type { Seconds } from "../units.ts";

/** How fast a waiting room empties, learned while somebody waits in it: what comes out of an empty room tells of demand and
 *  not of capacity. Decayed counts of turns, and of the seconds that had somebody waiting. */
export interface ServiceRate {
	readonly turns: number;
	readonly exposure: Seconds;
	readonly at: Seconds;
	readonly waiting: boolean;
}

const MEMORY_SECONDS = 30;
/** How many seconds of observation the prior is worth. */
const PRIOR_SECONDS = 5;

const RETRY_AFTER_MIN: Seconds = 1;
const RETRY_AFTER_MAX: Seconds = 60;

export function newServiceRate(now: Seconds): ServiceRate {
	return { turns: 0, exposure: 0, at: now, waiting: false };
}

/** Call when entries were taken (`turns`), and when the room begins or ceases to have somebody waiting. A clock that goes
 *  back stands still. */
export function observeTurns(rate: ServiceRate, turns: number, waiting: boolean, now: Seconds): ServiceRate {
	const aged = age(rate, now);
	return { ...aged, turns: aged.turns + (rate.waiting ? turns : 0), waiting };
}

/** Turns a second, given a prior in the same unit (by Little's law: slots over the mean seconds that a request holds one).
 *  The mean of the gamma posterior of a Poisson rate, with exponential forgetting: an EWMA that starts at the prior, returns
 *  to it when nothing was seen for long, and never falls to zero while the prior is above it. */
export function turnsPerSecond(rate: ServiceRate, prior: number, now: Seconds): number {
	const { turns, exposure } = age(rate, now);
	return (turns + prior * PRIOR_SECONDS) / (exposure + PRIOR_SECONDS);
}

/** Seconds until the turn of the entry at `position` (1: the next). Infinite when nothing moves. */
export function expectedWait(position: number, turnsPerSecond: number): Seconds {
	return turnsPerSecond > 0 ? Math.max(0, position) / turnsPerSecond : Infinity;
}

/** The Retry-After for a request that cannot wait as long as it would have to: when the queue will have shortened to what it
 *  tolerates, from 1 to 60 s. `spread` in [0, 1) makes it up to a quarter longer, so that those who are shed together do not
 *  come back together. */
export function retryAfter(wait: Seconds, tolerable: Seconds, spread = 0): Seconds {
	const excess = Math.max(RETRY_AFTER_MIN, Math.min(RETRY_AFTER_MAX, wait - tolerable));
	return Math.min(RETRY_AFTER_MAX, excess * (1 + spread / 4));
}

function age(rate: ServiceRate, now: Seconds): ServiceRate {
	const elapsed = Math.max(0, now - rate.at);
	const keep = Math.exp(-elapsed / MEMORY_SECONDS);
	return {
		turns: rate.turns * keep,
		exposure: rate.exposure * keep + (rate.waiting ? MEMORY_SECONDS * (1 - keep) : 0),
		at: rate.at + elapsed,
		waiting: rate.waiting,
	};
}
