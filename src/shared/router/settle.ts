import type { Usd } from "../units.ts";
import type { Reason } from "./explanation.ts";

/** Scores that differ by less than this many standard errors of the two qualities' difference count as equal. Small against the
 *  doubt, large against what other words for the same make of an estimate. */
const BAND_ERRORS = 0.25;

export interface Scored {
	readonly model: string;
	readonly score: Usd;
	readonly usd: Usd;
	readonly standardError: number;
}

/** By how much two scores may differ and count as equal, in USD. `qualityUsd`: v_quality. */
export function bandOf(a: Scored, b: Scored, qualityUsd: Usd): Usd {
	return BAND_ERRORS * qualityUsd * Math.hypot(a.standardError, b.standardError);
}

/** The choice among candidates, the least score first, with hysteresis: the model that had the conversation keeps it while it is as
 *  good as the best within the band; then the cheapest that is so answers, as it does for the same prompt in other words. */
export function settle<T extends Scored>(
	ranked: readonly T[],
	conversation: string | null,
	qualityUsd: Usd,
): { readonly chosen: T; readonly reason: Reason } | null {
	const [best] = ranked;
	if (!best) return null;
	if (ranked.length === 1) return { chosen: best, reason: "only" };
	const equal = ranked.filter((each) => each.score - best.score <= bandOf(best, each, qualityUsd));
	const same = equal.find(({ model }) => model === conversation);
	if (same) return { chosen: same, reason: same === best ? "best" : "conversation" };
	const cheapest = equal.reduce((least, each) => (each.usd < least.usd ? each : least), best);
	return { chosen: cheapest, reason: cheapest === best ? "best" : "cheaper" };
}
