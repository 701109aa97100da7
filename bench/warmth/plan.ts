import { combine } from "../../test/simulator/random.ts";
import type { Workers } from "../lib/workers.ts";
import { judge, type Judged } from "./judge.ts";
import type { Job, Played } from "./job.ts";
import { SETTINGS, type Setting } from "./settings.ts";

export interface Effort {
	/** Of a setting: requests, about, and seconds of its traffic. */
	readonly countMin: number;
	readonly secondsMin: number;
	readonly seeds: number;
	readonly boundRounds: number;
}

export const FULL: Effort = { countMin: 2_500, secondsMin: 5_400, seeds: 2, boundRounds: 80 };
export const QUICK: Effort = { countMin: 300, secondsMin: 600, seeds: 1, boundRounds: 30 };

/** All that was played of one setting, by seed. */
export interface Findings {
	readonly setting: Setting;
	readonly judged: readonly Judged[];
	readonly played: readonly Played[];
}

export async function playAll(
	workers: Workers<Job, Played>,
	{ countMin, secondsMin, seeds, boundRounds }: Effort,
	seed: number,
	say: (text: string) => void,
): Promise<Findings[]> {
	const jobs = SETTINGS.flatMap((setting) =>
		Array.from({ length: seeds }, (_, n): Job => {
			const count = Math.max(countMin, secondsMin * setting.perSecond);
			return { setting, seed: combine(seed, n), count, boundRounds };
		}),
	);
	const outcomes = await workers.run(jobs, (done) => say(`playing ${done} of ${jobs.length}`));
	return SETTINGS.map((setting) => {
		const played = outcomes.filter((_, n) => jobs[n]!.setting === setting);
		return { setting, played, judged: played.map((each) => judge(setting, each)) };
	});
}
