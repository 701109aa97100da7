import {
	EXPLANATION_WIDTH,
	explanationWidth,
	REJECTIONS,
	WARMTH_WIDTH,
	type Explanation,
	type Rejection,
	type Terms,
} from "../scheduler/explanation.ts";
import type { ReplicaName } from "../scheduler/messages.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import { scoreOf } from "./objective.ts";

/** One line of an explained decision. */
export type Explained =
	| {
			readonly replica: ReplicaName;
			/** USD; the least won. */
			readonly score: Usd;
			readonly terms: Terms;
			readonly expected_ttft_seconds: Seconds;
			readonly expected_seconds: Seconds;
			/** Of the prompt, what was expected in the replica's prefix cache; absent in records of older versions. */
			readonly expected_cached_tokens?: Tokens;
			/** Where a pool of the model scales to zero: P(cold), and the seconds of a start if it is; TTFT and seconds hold their
			 *  product. */
			readonly p_cold?: number;
			readonly cold_seconds?: Seconds;
	  }
	| { readonly replica: ReplicaName; readonly rejected: Rejection; readonly why: string };

/** Spells a decision out: candidates first, the best of them on top, then the rejected with the rule that rejected them. */
export function explain(explanation: Explanation): Explained[] {
	const candidates: Extract<Explained, { score: Usd }>[] = [];
	const rejected: Explained[] = [];
	const width = explanationWidth(explanation);
	explanation.replicas.forEach((replica, i) => {
		const at = i * width;
		const values = explanation.values.slice(at, at + width);
		const [money = 0, congestion = 0, time = 0, late = 0, harm = 0, ttft = 0, seconds = 0, cached] = values;
		const rule = REJECTIONS[explanation.rejected[i]! - 1];
		if (rule !== undefined) {
			rejected.push({ replica, rejected: rule, why: reason(rule, money, congestion) });
			return;
		}
		const [start = 0, regret = 0, pCold = 0, coldSeconds = 0] = values.slice(EXPLANATION_WIDTH);
		const hasWarmth = width >= WARMTH_WIDTH;
		const terms = { money, congestion, time, late, harm, ...(hasWarmth && { start, regret }) };
		candidates.push({
			replica,
			score: scoreOf(terms),
			terms,
			expected_ttft_seconds: ttft,
			expected_seconds: seconds,
			...(cached !== undefined && { expected_cached_tokens: cached }),
			...(hasWarmth && { p_cold: pCold, cold_seconds: coldSeconds }),
		});
	});
	return [...candidates.sort((a, b) => a.score - b.score), ...rejected];
}

function reason(rule: Rejection, needs: number, has: number): string {
	switch (rule) {
		case "excluded":
			return "this request has already failed there";
		case "capability":
			return "the pool cannot do what the request asks for";
		case "context":
			return `the request needs ${Math.round(needs)} tokens of context, the pool has ${has}`;
		case "region":
			return "the policy does not allow the pool's region";
		case "privacy":
			return "the prompt may not go to the pool's privacy zone";
		case "max_usd":
			return "the request could cost more there than its max_usd";
		case "unhealthy":
			return `put aside after failures for another ${Math.max(0, has).toFixed(1)} s`;
		case "concurrency":
			return `${needs} requests in flight of at most ${has}`;
		case "slow_start":
			return `recovering: ${needs} requests in flight of at most ${has} for now`;
		case "retry_budget":
			return "the pool's retry budget is used up";
		case "waking":
			return `it may be cold or is starting: ${needs} requests wait for it of at most ${has}`;
		case "same_provider":
			return "the request waits for its provider already";
		case "price_ceiling":
			return `expected to cost $${needs.toPrecision(3)}, the ceiling is $${has}`;
	}
}
