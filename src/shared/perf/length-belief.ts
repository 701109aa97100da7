import { expectedExcess, normalCdf } from "../objective/lognormal.ts";
import type { Tokens } from "../units.ts";

/** A log-normal belief about the length of answers: mean and variance of ln(tokens), and the answers it rests on. */
export interface LengthBelief {
	readonly mean: number;
	readonly variance: number;
	readonly count: number;
}

/** What the belief that this one started from weighs, in answers. */
const PRIOR_COUNT = 4;
const MEAN_MAX = Math.log(1_000_000);
const SIGMA_MIN = 0.2;
const SIGMA_MAX = 2;

/** The belief after an answer of `tokens`, with weights that fade over `memory` answers. One that ended at its length
 *  limit was at least that long: it counts as the mean, and adds the variance, of the believed tail beyond the limit
 *  (a step of EM for the Tobit model). */
export function afterAnswer(belief: LengthBelief, tokens: Tokens, limited: boolean, memory: number): LengthBelief {
	const { mean, variance } = belief;
	const seen = Math.log(tokens);
	let value = seen;
	let rest = 0;
	if (limited) {
		const sigma = Math.sqrt(variance);
		const a = (seen - mean) / sigma;
		const ratio = hazard(a);
		value = Math.max(seen, mean + sigma * ratio);
		rest = Math.max(0, variance * (1 + a * ratio - ratio * ratio));
	}
	const count = Math.min(belief.count + 1, memory);
	const gain = 1 / (count + PRIOR_COUNT);
	const off = value - mean;
	const spread = (1 - gain) * (variance + gain * off * off) + gain * rest;
	return bounded({ mean: mean + gain * off, variance: spread, count });
}

/** E[min(tokens, limit)]. */
export function expectedLength({ mean, variance }: LengthBelief, limit: Tokens): Tokens {
	const tokens = Math.exp(mean + variance / 2);
	return limit === Infinity ? tokens : tokens - expectedExcess(tokens, Math.sqrt(variance), limit);
}

/** Within 1 to 1,000,000 tokens and a spread that is neither certainty nor nonsense. */
export function bounded({ mean, variance, count }: LengthBelief): LengthBelief {
	return {
		mean: Math.min(MEAN_MAX, Math.max(0, mean)),
		variance: Math.min(SIGMA_MAX ** 2, Math.max(SIGMA_MIN ** 2, variance)),
		count: Math.max(0, count),
	};
}

/** The standard normal's density over its upper tail (the inverse Mills ratio); by its continued fraction where both
 *  vanish. */
function hazard(a: number): number {
	if (a < 2) return Math.exp((-a * a) / 2) / Math.sqrt(2 * Math.PI) / (1 - normalCdf(a));
	let fraction = a;
	for (let k = 12; k >= 1; k--) fraction = a + k / fraction;
	return fraction;
}
