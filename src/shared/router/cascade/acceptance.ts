import type { Usd } from "../../units.ts";
import { fromLogOdds, logOdds } from "./log-odds.ts";
import type { Rung } from "./rung.ts";

export interface AcceptanceTerms {
	/** USD that a unit of quality lost costs. */
	readonly valueOfQuality: Usd;
	/** USD per second of waiting. */
	readonly valueOfSecond: Usd;
	/** P(right) from which on an answer is taken; null: where the top would not be worth its price. */
	readonly accept: number | null;
	/** Never below this share of the top's expected quality. */
	readonly floor: number;
}

/** A question that the cheap models find easier than expected is easier for the top too: by this share, in log-odds (ZeroEval's
 *  results: 0.44 where two cheap models agree, 0.52 where they do not). */
const COUPLING = 0.45;

/** P(the top is right), given that the answer at hand is right with `probability` where `expected` had been expected. */
export function topGiven(top: Rung, expected: number, probability: number): number {
	return fromLogOdds(logOdds(top.quality) + COUPLING * (logOdds(probability) - logOdds(expected)));
}

/** The least P(right) at which an answer is taken rather than the top asked: the quality that would be lost then is worth less than
 *  the top's price and time. The one objective, between two candidates of which one is paid already. */
export function acceptanceThreshold(top: Rung, expected: number, terms: AcceptanceTerms): number {
	return Math.max(terms.floor * top.quality, terms.accept ?? worthwhile(top, expected, terms));
}

function worthwhile(top: Rung, expected: number, terms: AcceptanceTerms): number {
	const price = top.usd + terms.valueOfSecond * top.seconds;
	const isTaken = (p: number): boolean => terms.valueOfQuality * (topGiven(top, expected, p) - p) <= price;
	if (isTaken(0)) return 0;
	// What would be lost falls with p, and is below nothing at 1.
	let low = 0;
	let high = 1;
	for (let step = 0; step < 30; step++) {
		const middle = (low + high) / 2;
		if (isTaken(middle)) high = middle;
		else low = middle;
	}
	return high;
}
