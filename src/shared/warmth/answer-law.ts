import type { Seconds } from "../units.ts";
import { survival, type LogNormal } from "./log-normal.ts";
import { DOUBT, QUEUED_SHARE, QUEUED_SIGMA, SIGMA_MIN, sumOf, type Expected } from "./mixture.ts";
import type { Start } from "./start.ts";

/** When an answer comes: log-normals, each with its weight. The weights add up to 1. */
export type AnswerLaw = readonly { readonly weight: number; readonly law: LogNormal }[];

/** Seconds to the answer of a replica that is expected to need `warm` when it is up: now and then a wide tail, as for
 *  `coldPosterior`, and later by a start with its probability. Null: it is always there. */
export function answerLaw(warm: Expected, start: Pick<Start, "probability" | "seconds" | "sigma"> | null): AnswerLaw {
	const q = start === null ? 0 : Math.min(1 - DOUBT, Math.max(DOUBT, start.probability));
	const law = [
		{ weight: (1 - q) * (1 - QUEUED_SHARE), law: lawOf(warm) },
		{ weight: (1 - q) * QUEUED_SHARE, law: lawOf({ ...warm, sigma: QUEUED_SIGMA }) },
	];
	if (start !== null) law.push({ weight: q, law: lawOf(sumOf(warm, { mean: start.seconds, sigma: start.sigma })) });
	return law;
}

/** P(T > seconds). */
export function stillOut(law: AnswerLaw, seconds: Seconds): number {
	let sum = 0;
	for (const each of law) sum += each.weight * survival(each.law, seconds);
	return sum;
}

const Z_95 = 1.645;

/** The 95th percentile of what is expected of a warm replica. */
export function late(warm: Expected): Seconds {
	const { mu, sigma } = lawOf(warm);
	return Math.exp(mu + Z_95 * sigma);
}

function lawOf({ mean, sigma: stated }: Expected): LogNormal {
	const sigma = Math.max(SIGMA_MIN, stated);
	return { mu: Math.log(Math.max(mean, SECONDS_MIN)) - sigma ** 2 / 2, sigma };
}

const SECONDS_MIN: Seconds = 0.001;
