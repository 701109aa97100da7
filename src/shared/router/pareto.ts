import type { Seconds, Usd } from "../units.ts";

export interface Offer {
	readonly quality: number;
	readonly usd: Usd;
	readonly seconds: Seconds;
}

/** Those that no other one beats: none is at least as good in quality, dollars and seconds and better in one. Of equal ones, all.
 *  In the given order. */
export function pareto<T extends Offer>(offers: readonly T[]): T[] {
	return offers.filter((offer) => !offers.some((other) => dominates(other, offer)));
}

function dominates(a: Offer, b: Offer): boolean {
	const isNoWorse = a.quality >= b.quality && a.usd <= b.usd && a.seconds <= b.seconds;
	return isNoWorse && (a.quality > b.quality || a.usd < b.usd || a.seconds < b.seconds);
}
