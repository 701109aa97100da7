import type { NanoUsd, Seconds, Tokens, Usd } from "../units.ts";

export const NANO_PER_USD = 1e9;

/** The largest amount that nano-dollars in a double hold exactly, rounded down to a whole million. */
export const USD_MAX = 9_000_000;

/** Dollars to nano-dollars, rounded up: an amount that is charged is never understated. */
export function nanoFromUsd(usd: Usd): NanoUsd {
	// A decimal like 0.07 times 1e9 is 70000000.00000001 in binary; the nudge keeps it from costing a nano more. Adding zero
	// makes a plain zero of the -0 that nothing at all would come to.
	return Math.ceil(usd * NANO_PER_USD - 1e-3) + 0;
}

export function usdFromNano(nano: NanoUsd): Usd {
	return nano / NANO_PER_USD;
}

/** ceil(count * nanoPerMillion / 1e6) in exact integer arithmetic. */
export function tokensAtPrice(count: Tokens, nanoPerMillion: NanoUsd): NanoUsd {
	const product = count * nanoPerMillion;
	if (product <= Number.MAX_SAFE_INTEGER) return Math.ceil(product / 1e6);
	return Number((BigInt(count) * BigInt(nanoPerMillion) + 999_999n) / 1_000_000n);
}

/** Seconds of a GPU at a price per second, rounded up. */
export function secondsAtPrice(seconds: Seconds, nanoPerSecond: NanoUsd): NanoUsd {
	return Math.ceil(seconds * nanoPerSecond - 1e-3) + 0;
}
