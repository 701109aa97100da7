import type { Terms } from "../scheduler/messages.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import { expectedExcess } from "./lognormal.ts";

/** How much more than its own seconds a missed prefix costs: 1.75 means that the requests behind it lose another 0.75.
 *  Best on four replays of real traces (1.5 to 2 were good on all of them). */
export const RECOMPUTE_WEIGHT = 1.75;

/** What a second is worth to the one who waits. */
export interface Weights {
	/** v, USD per second until the last token. */
	readonly valueOfSecond: Usd;
	/** v_slo, USD per second over the TTFT goal. */
	readonly lateSecond: Usd;
	readonly ttftGoal: Seconds;
}

/** What is expected of one candidate for one request. */
export interface Estimate {
	readonly marginalUsd: Usd;
	readonly congestionUsd: Usd;
	/** E[seconds to the first token], round trip included. */
	readonly ttft: Seconds;
	/** Spread of the TTFT on the log scale. */
	readonly ttftSigma: number;
	/** Seconds from the first token to the last. */
	readonly outputSeconds: Seconds;
	/** Prompt tokens that this candidate has to compute. */
	readonly uncachedTokens: Tokens;
	readonly prefillTokensPerSecond: number;
}

/** The one objective, `E[marginal $] + v E[s] + v_slo E[s over the goal] + harm to others`, term by term in USD. */
export function objectiveTerms(estimate: Estimate, weights: Weights): Terms {
	const ownPrefill = estimate.uncachedTokens / estimate.prefillTokensPerSecond;
	return {
		money: estimate.marginalUsd,
		congestion: estimate.congestionUsd,
		time: weights.valueOfSecond * (estimate.ttft + estimate.outputSeconds),
		late: weights.lateSecond * expectedExcess(estimate.ttft, estimate.ttftSigma, weights.ttftGoal),
		harm: weights.valueOfSecond * (RECOMPUTE_WEIGHT - 1) * ownPrefill,
	};
}

/** The score: the least one wins. */
export function scoreOf(terms: Terms): Usd {
	return terms.money + terms.congestion + terms.time + terms.late + terms.harm;
}
