import type { Terms } from "../scheduler/explanation.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import type { Start } from "../warmth/start.ts";
import { sumOf } from "../warmth/mixture.ts";
import { expectedExcess, lateShare } from "./lognormal.ts";

/** How many requests a second of prefill holds up, for each that is queued on average (`u / (1 - u)`, M/M/1, at the replica's
 *  utilisation u): one that comes while the replica is busy also delays those that come before it is idle again. 3 to 8 were
 *  good on the replays of all traces. */
export const QUEUED_BEHIND = 5;
/** How often one that decodes there counts: it waits for the prefill's steps, and its conversation's next turn comes there too.
 *  At 1, agents' sessions left replicas that hold 80,000 tokens of them; at 10, chats stayed in queues. */
export const DECODING_BESIDE = 3;
const UTILISATION_MAX = 0.95;

/** What a second is worth to the one who waits. */
export interface Weights {
	/** v, USD per second until the last token. */
	readonly valueOfSecond: Usd;
	/** v_slo, USD per second over the TTFT goal. */
	readonly lateSecond: Usd;
	readonly ttftGoal: Seconds;
	/** What the delays of others count against the request's own. Default 1: as much. */
	readonly harmWeight?: number;
}

/** What is expected of one candidate for one request. */
export interface Estimate {
	readonly marginalUsd: Usd;
	readonly congestionUsd: Usd;
	/** E[seconds to the first token] where it is warm, round trip included. */
	readonly ttft: Seconds;
	/** Spread of the TTFT on the log scale. */
	readonly ttftSigma: number;
	/** Seconds from the first token to the last. */
	readonly outputSeconds: Seconds;
	/** Prompt tokens that this candidate has to compute. */
	readonly uncachedTokens: Tokens;
	readonly prefillTokensPerSecond: number;
	/** Requests in flight there, and those among them whose first token has come. */
	readonly inFlight: number;
	readonly decoding: number;
	/** Seconds that this answer's decode adds to each other one there. */
	readonly decodeDelay: Seconds;
	/** Seconds of prefill that were sent there per second, of late. */
	readonly utilisation: number;
	/** Of a pool that scales to zero and may be cold; null for all others. */
	readonly start: Start | null;
}

/** The one objective, `E[marginal $] + v E[s] + v_slo E[s over the goal] + harm to others`, term by term in USD. */
export function objectiveTerms(estimate: Estimate, weights: Weights): Terms {
	const { valueOfSecond, lateSecond, ttftGoal } = weights;
	const warm = {
		money: estimate.marginalUsd,
		congestion: estimate.congestionUsd,
		time: valueOfSecond * (estimate.ttft + estimate.outputSeconds),
		late: lateSecond * expectedExcess(estimate.ttft, estimate.ttftSigma, ttftGoal),
		harm: harmUsd(estimate, weights),
	};
	return estimate.start === null ? warm : withStart(warm, estimate.start, estimate, weights);
}

/** The same with what a start adds: its seconds to E[s], its part to the mixture of a warm and a cold TTFT, its dollars. What
 *  going elsewhere has cost since it went cold is taken off again, of what the start adds at most. */
function withStart(warm: Terms, start: Start, { ttft, ttftSigma }: Estimate, weights: Weights): Terms {
	const { probability, seconds, sigma } = start;
	const { valueOfSecond, lateSecond, ttftGoal } = weights;
	const cold = sumOf({ mean: ttft, sigma: ttftSigma }, { mean: seconds, sigma });
	const wait = valueOfSecond * probability * seconds;
	const late = lateSecond * probability * expectedExcess(cold.mean, cold.sigma, ttftGoal) - probability * warm.late;
	const dollars = probability * start.usd;
	const regret = 0 - Math.max(0, Math.min(start.regret, dollars + wait + late));
	return { ...warm, time: warm.time + wait, late: warm.late + late, start: dollars, regret };
}

/** What others lose, at the same value of their seconds: those that decode wait for the prefill's steps, those that will queue
 *  behind it wait for all of it and are late as much as this one, and every answer there is slowed by one more. */
function harmUsd(estimate: Estimate, { valueOfSecond, lateSecond, ttftGoal, harmWeight = 1 }: Weights): Usd {
	const prefill = estimate.uncachedTokens / estimate.prefillTokensPerSecond;
	const utilisation = Math.min(UTILISATION_MAX, estimate.utilisation);
	const behind = (QUEUED_BEHIND * utilisation) / (1 - utilisation);
	const firstSecond = valueOfSecond + lateSecond * lateShare(estimate.ttft, estimate.ttftSigma, ttftGoal);
	const decoding = DECODING_BESIDE * estimate.decoding * prefill + estimate.inFlight * estimate.decodeDelay;
	return harmWeight * (firstSecond * behind * prefill + valueOfSecond * decoding);
}

/** The score: the least one wins. */
export function scoreOf(terms: Terms): Usd {
	const warm = terms.money + terms.congestion + terms.time + terms.late + terms.harm;
	return terms.start === undefined ? warm : warm + terms.start + (terms.regret ?? 0);
}
