import type { Tokens } from "../../units.ts";
import { fromLogOdds, logOdds } from "./log-odds.ts";

/** What an answer tells that is e times as long as was expected, in log-odds, and at most. From the agreed answers of ZeroEval's
 *  results: the coefficient of the length in a logistic regression of being right. */
const WEIGHT = -0.35;
const SAYS_AT_MOST = 0.7;

/** P(right) of an answer of `tokens` where `expected` were expected (NaN: nobody knows): models write longest where they are
 *  lost. */
export function withLength(probability: number, tokens: Tokens | null, expected: Tokens): number {
	if (tokens === null || !(tokens > 0) || !(expected > 0)) return probability;
	const says = WEIGHT * Math.log(tokens / expected);
	return fromLogOdds(logOdds(probability) + Math.max(-SAYS_AT_MOST, Math.min(SAYS_AT_MOST, says)));
}
