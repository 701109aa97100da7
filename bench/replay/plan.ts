import { combine } from "../../test/simulator/random.ts";
import type { Workers } from "../lib/workers.ts";
import type { Played } from "./compare.ts";
import type { Contestant, Job } from "./job.ts";
import type { Metrics } from "./metrics.ts";
import type { Circumstances } from "./policies/isobar.ts";
import { OTHERS } from "./policies/all.ts";
import { SETTINGS, SPECIAL_LOAD, type Setting } from "./settings.ts";
import { tuned, tuningJobs } from "./tune.ts";

export interface Effort {
	/** Of each trace, in (0, 1]. */
	readonly size: number;
	readonly tuningSize: number;
	/** Near the limit of a fleet some draws are unstable with a policy that is good with others: two do not show that. */
	readonly tuningSeeds: number;
	/** Tunes for each load on its own; otherwise at SPECIAL_LOAD for all. */
	readonly tuneEachLoad: boolean;
	readonly seeds: number;
}

export const FULL: Effort = { size: 1, tuningSize: 1, tuningSeeds: 4, tuneEachLoad: true, seeds: 8 };
export const QUICK: Effort = { size: 0.3, tuningSize: 0.3, tuningSeeds: 1, tuneEachLoad: false, seeds: 2 };

/** Ours in circumstances that are not the best. */
export const SPECIAL: readonly { readonly id: string; readonly title: string; readonly options: Circumstances }[] = [
	...[1, 4, 16, 64].map((places) => ({
		id: `places_${places}`,
		title: places === 1 ? "Isobar, 1 place" : `Isobar, ${places} places`,
		options: { places },
	})),
	{ id: "alone", title: "Isobar, 64 places, only the fallback", options: { places: 64, alone: true } },
	{ id: "lost", title: "Isobar, 64 places, object lost for 60 s", options: { places: 64, lostAt: 0.75 } },
	...[2, 4, 16].map((shards) => ({
		id: `shards_${shards}`,
		title: `Isobar, 16 places, ${shards} shards`,
		options: { places: 16, shards },
	})),
	{ id: "memory_low", title: "Isobar, KV memory guessed a tenth", options: { places: 0, memoryGuess: 0.1 } },
	{ id: "memory_high", title: "Isobar, KV memory guessed tenfold", options: { places: 0, memoryGuess: 10 } },
];

/** All that was played of one setting. */
export interface Findings {
	readonly setting: Setting;
	/** `ours`, `limit`, the others by their ids, and those of SPECIAL. */
	readonly played: readonly Played[];
	/** The same routers with restarts; empty where they were not played. */
	readonly restarted: readonly Played[];
	/** Which variant of each router was best on the first half. */
	readonly variants: ReadonlyMap<string, number>;
}

/** Tunes all routers on the first halves and plays all on the second. */
export async function playAll(
	workers: Workers<Job, Metrics[]>,
	effort: Effort,
	seed: number,
	say: (text: string) => void,
): Promise<Findings[]> {
	const seedsOf = (count: number, salt: number): number[] =>
		Array.from({ length: count }, (_, n) => combine(combine(seed, salt), n));

	const tunedAt = SETTINGS.filter(({ load }) => effort.tuneEachLoad || load === SPECIAL_LOAD);
	const tuning = tunedAt.flatMap((setting) => tuningJobs(setting, seedsOf(effort.tuningSeeds, 1), effort.tuningSize));
	const tries = await workers.run(tuning, (done) => say(`tuning ${done} of ${tuning.length}`));
	const variants = SETTINGS.map(({ trace, fleet, load }) =>
		tuned(
			tries.filter((_, n) => {
				const at = tuning[n]!.setting;
				return at.trace === trace && at.fleet === fleet && (!effort.tuneEachLoad || at.load === load);
			}),
		),
	);

	const plays = SETTINGS.flatMap((setting, index) => {
		const special = setting.load === SPECIAL_LOAD;
		const variantOf = (id: string): number => variants[index]!.get(id)!;
		const ours = (options: Circumstances): Contestant => ({ kind: "ours", options, variant: variantOf("ours") });
		const others = OTHERS.map(({ id }) => ({ kind: "other" as const, id, variant: variantOf(id) }));
		const routers = [ours({ places: 0 }), ...others];
		const usual: Contestant[] = [...routers, { kind: "limit" }];
		if (special) usual.push(...SPECIAL.map(({ options }) => ours(options)));
		const base = { setting, half: "second" as const, size: effort.size };
		return seedsOf(effort.seeds, 2).flatMap((each): Job[] => [
			{ ...base, seed: each, restarts: false, contestants: usual },
			...(special ? [{ ...base, seed: each, restarts: true, contestants: routers }] : []),
		]);
	});
	const outcomes = await workers.run(plays, (done) => say(`playing ${done} of ${plays.length}`));

	const names = ["ours", ...OTHERS.map(({ id }) => id), "limit", ...SPECIAL.map(({ id }) => id)];
	return SETTINGS.map((setting, index) => {
		const collect = (restarts: boolean): Played[] => {
			const mine = plays.flatMap((job, n) =>
				job.setting === setting && job.restarts === restarts ? [outcomes[n]!] : [],
			);
			return (mine[0] ?? []).map((_, n) => ({ id: names[n]!, metrics: mine.map((metrics) => metrics[n]!) }));
		};
		return { setting, played: collect(false), restarted: collect(true), variants: variants[index]! };
	});
}
