import type { Setup } from "../simulate.ts";
import { demandOf, type Demand } from "./needs.ts";
import { BoundPool } from "./pool.ts";

/** A line that no policy is under: `usd + usdPerMiss * misses >= least`, for the judged half. */
export interface BoundLine {
	readonly usdPerMiss: number;
	readonly least: number;
}

/** In units of what the API costs for a request on average. */
const MISS_PRICES = [0.25, 0.5, 1, 1.5, 2.5, 5] as const;
/** From which the search for a pool's own prices begins. */
const UP_SHARES = [1, 0.3] as const;
/** Of the first round; they become smaller with the root of their number. */
const STEP = 0.5;

/** A lower bound on the cost of the judged half, whoever decides and whatever he knows of arrivals, starts and the API's luck.
 *
 *  Give each miss a price `m`. Whoever answers request `r` pays the API (`usd[r]`, and `m` if its luck is bad), or `m` at least
 *  where it is late or never answered, or serves it in time at a pool. For any prices `value[r]` of at most the cheaper of the
 *  first two, weak duality says that the total is no less than the sum of `value` less, for each pool, the most that it could
 *  earn if it was paid `value[r]` for each request that it serves in time (`bestRuns`): the pools are loosened from one another,
 *  each can do more than it really can (it costs no more than its seconds up, and no more than those of its work; in no window
 *  does it more work than fits), and late answers cost no GPU at all. All these prices are improved by subgradient steps; whatever
 *  they are the bound is valid, and the best is kept. */
export function lowerBound(setup: Setup, rounds: number): BoundLine[] {
	const demand = demandOf(setup);
	const mean = demand.usd.reduce((sum, usd) => sum + usd, 0) / Math.max(1, demand.usd.length);
	return MISS_PRICES.map((price) => {
		const usdPerMiss = price * mean;
		const leasts = UP_SHARES.map((share) => leastAt(setup, demand, usdPerMiss, share, rounds));
		return { usdPerMiss, least: Math.max(...leasts) + reservedUsd(setup, demand) };
	});
}

/** The least cost at which at most this share of `count` requests misses the goal. */
export function leastUsd(lines: readonly BoundLine[], misses: number, count: number): number {
	return Math.max(0, ...lines.map(({ usdPerMiss, least }) => least - usdPerMiss * misses * count));
}

/** Paid in any case, at least from the middle to the last arrival. */
function reservedUsd({ fleet }: Setup, { from, at }: Demand): number {
	const seconds = Math.max(0, (at.at(-1) ?? from) - from);
	return fleet.pools.reduce((sum, { zero, usdPerSecond }) => sum + (zero ? 0 : usdPerSecond * seconds), 0);
}

function leastAt(
	{ fleet, starts }: Setup,
	demand: Demand,
	usdPerMiss: number,
	upShare: number,
	rounds: number,
): number {
	const { usd, apiIsLate } = demand;
	const count = usd.length;
	const most = Float64Array.from(usd, (price, k) => Math.min(price + (apiIsLate[k] ? usdPerMiss : 0), usdPerMiss));
	const pools = fleet.pools.map((spec, index) => new BoundPool(demand, index, spec, starts, upShare));
	const value = most.slice();
	const times = new Uint8Array(count);
	let best = 0;
	for (let round = 0; round < rounds; round++) {
		times.fill(0);
		let least = value.reduce((sum, each) => sum + each, 0);
		const step = STEP / Math.sqrt(round + 1);
		for (const pool of pools) {
			least -= pool.earn(value);
			pool.served.forEach((isServed, k) => (times[k]! += isServed));
			pool.adjust(step);
		}
		best = Math.max(best, least);
		for (let k = 0; k < count; k++)
			value[k] = Math.min(most[k]!, value[k]! * Math.exp(step * Math.max(-1, 1 - times[k]!)));
	}
	return best;
}
