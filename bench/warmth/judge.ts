import { leastUsd } from "./bound/bound.ts";
import { fleetOf } from "./fleet.ts";
import { Frontier, undominated } from "./frontier.ts";
import type { Played, Point } from "./job.ts";
import { BASELINES, OURS } from "./policies/all.ts";
import { alwaysWarm } from "./policies/always-warm.ts";
import { NO_BOX } from "./policies/subsets.ts";
import type { Setting } from "./settings.ts";

/** The shares of misses at which policies are compared. */
export const MISS_LEVELS = [0.01, 0.02, 0.05, 0.1] as const;
/** Which of a policy's points stands in the table: the cheapest that missed no more on the first half. */
export const TABLE_LEVEL = 0.01;

/** What one policy can do on the judged half, with the parameters that were undominated on the first; everybody may also leave all
 *  to the API. */
export interface Standing {
	readonly policy: string;
	readonly chosen: readonly Point[];
	readonly frontier: Frontier;
	/** The one for the table. */
	readonly shown: Point;
}

/** One setting with one seed. */
export interface Judged {
	readonly ours: Standing;
	readonly baselines: readonly Standing[];
	/** At each of MISS_LEVELS, in USD per 1,000 requests: ours, the best baseline, and the least that anybody can. */
	readonly levels: readonly {
		readonly misses: number;
		readonly ours: number;
		readonly best: number;
		readonly bound: number;
	}[];
	/** Misses of ours over those of the best baseline, at its cost at each level. */
	readonly missRatios: readonly number[];
}

export function judge(setting: Setting, { points, bound }: Played): Judged {
	const [{ second } = { second: undefined }] = points;
	const count = second!.requests;
	const sunk = sunkUsd(setting, points);
	const safe = points.find(({ policy, title }) => policy === alwaysWarm.id && title === NO_BOX)!;
	const standing = (policy: string): Standing => {
		const own = points.filter((point) => point.policy === policy);
		const chosen = undominated(own, ({ first }) => ({ usd: first.usdPerThousand, misses: first.misses }));
		const judged = [...chosen, safe].map((point) => ({
			usd: point.second.usdPerThousand,
			misses: point.second.misses,
		}));
		const shown = chosen.find(({ first }) => first.misses <= TABLE_LEVEL) ?? chosen.at(-1)!;
		return { policy, chosen, frontier: new Frontier(judged, sunk), shown };
	};
	const ours = standing(OURS.id);
	const baselines = BASELINES.map(({ id }) => standing(id));
	const levels = MISS_LEVELS.map((misses) => ({
		misses,
		ours: ours.frontier.usdAt(misses),
		best: Math.min(...baselines.map(({ frontier }) => frontier.usdAt(misses))),
		bound: (1_000 * leastUsd(bound, misses, count)) / count,
	}));
	const missRatios = levels.map(({ misses, best }) => {
		// Nobody who had none of so many can be said to have had none.
		return Math.max(ours.frontier.missesAt(best), 0.5 / count) / misses;
	});
	return { ours, baselines, levels, missRatios };
}

/** Of GPUs that are paid for in any case, per 1,000 requests. */
function sunkUsd({ fleet }: Setting, points: readonly Point[]): number {
	const perSecond = fleetOf(fleet).pools.reduce((sum, { zero, usdPerSecond }) => sum + (zero ? 0 : usdPerSecond), 0);
	const { seconds, requests } = points[0]!.second;
	return (1_000 * perSecond * seconds) / requests;
}
