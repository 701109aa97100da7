import type { Seconds, Usd } from "../units.ts";

/** What it has cost to go elsewhere while a pool was cold, net of what keeping it warm would have cost meanwhile. */
export interface Regret {
	readonly usd: Usd;
	readonly at: Seconds;
}

export const NO_REGRET: Regret = { usd: 0, at: 0 };

/** As it stands now. The price of the idle pool runs against it, down to zero: traffic whose premium is under that price
 *  never wakes a pool, whatever the time that it takes to add up (a CUSUM of the net saving, Page 1954). */
export function regretAt({ usd, at }: Regret, usdPerSecond: Usd, now: Seconds): Usd {
	return Math.max(0, usd - usdPerSecond * Math.max(0, now - at));
}

/** A request went elsewhere for `premium` more than it would have cost at the pool, had it been warm. */
export function regretted(regret: Regret, premium: Usd, usdPerSecond: Usd, now: Seconds): Regret {
	return { usd: regretAt(regret, usdPerSecond, now) + Math.max(0, premium), at: Math.max(regret.at, now) };
}
