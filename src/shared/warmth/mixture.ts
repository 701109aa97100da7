import type { Seconds } from "../units.ts";

/** Mean seconds of a log-normal, and the standard deviation of its logarithm. */
export interface Expected {
	readonly mean: Seconds;
	readonly sigma: number;
}

/** Belief is never so sure that an answer could not change it. */
export const DOUBT = 0.001;
/** Now and then a warm replica makes a request wait for what nobody here knows of: a queue of others, a pause of its engine. So
 *  many of its answers, spread so widely: queueing is not taken for a start that would have taken ten times as long. */
export const QUEUED_SHARE = 0.05;
export const QUEUED_SIGMA = 1.2;
export const SIGMA_MIN = 0.05;

/** P(the request had to wait for a start | its seconds): two components, the warm one as expected with the queue that was known
 *  of and a wide tail for the one that was not, the cold one later by the start. `prior` is what was believed when it was
 *  sent, in [0, 1]. */
export function coldPosterior(prior: number, seen: Seconds, warm: Expected, cold: Expected): number {
	if (!(seen > 0)) return 0;
	const q = Math.min(1 - DOUBT, Math.max(DOUBT, prior));
	const asWarm =
		(1 - QUEUED_SHARE) * density(seen, warm) + QUEUED_SHARE * density(seen, { ...warm, sigma: QUEUED_SIGMA });
	const asCold = density(seen, cold);
	const total = q * asCold + (1 - q) * asWarm;
	// Beyond both: the later one.
	return total > 0 ? (q * asCold) / total : seen > cold.mean ? 1 : 0;
}

/** The two one after the other, as a log-normal of the same mean and variance (Fenton and Wilkinson). */
export function sumOf(a: Expected, b: Expected): Expected {
	const mean = a.mean + b.mean;
	if (!(mean > 0)) return { mean: 0, sigma: SIGMA_MIN };
	const variance = a.mean ** 2 * Math.expm1(a.sigma ** 2) + b.mean ** 2 * Math.expm1(b.sigma ** 2);
	return { mean, sigma: Math.sqrt(Math.log1p(variance / mean ** 2)) };
}

/** Of ln(seconds); the factor 1 / seconds is common to all. */
function density(seconds: Seconds, { mean, sigma: stated }: Expected): number {
	if (!(mean > 0)) return 0;
	const sigma = Math.max(SIGMA_MIN, stated);
	const z = (Math.log(seconds / mean) + (sigma * sigma) / 2) / sigma;
	return Math.exp((-z * z) / 2) / sigma;
}
