import { OTHERS } from "./policies/all.ts";
import type { Contestant, Job } from "./job.ts";
import type { Metrics } from "./metrics.ts";
import { meanOf } from "./compare.ts";
import type { Setting } from "./settings.ts";

/** Every variant of every other router. */
export const VARIANTS: readonly Extract<Contestant, { kind: "other" }>[] = OTHERS.flatMap(({ id, settings }) =>
	settings.map((_, variant) => ({ kind: "other" as const, id, variant })),
);

/** The jobs that try them on the first half of a setting's trace, one a seed. */
export function tuningJobs(setting: Setting, seeds: readonly number[], size: number): Job[] {
	const tried = VARIANTS.filter(({ id }) => OTHERS.find((other) => other.id === id)!.settings.length > 1);
	return seeds.map((seed) => ({ setting, half: "first", seed, size, restarts: false, contestants: tried }));
}

/** The variant of each other router that had the least mean TTFT there. `outcomes` are those of `tuningJobs`. */
export function tuned(outcomes: readonly (readonly Metrics[])[], jobs: readonly Job[]): ReadonlyMap<string, number> {
	const best = new Map<string, number>(OTHERS.map(({ id }) => [id, 0]));
	const least = new Map<string, number>();
	jobs[0]!.contestants.forEach((contestant, index) => {
		if (contestant.kind !== "other") return;
		const mean = meanOf(outcomes.map((metrics) => metrics[index]!.mean));
		if (mean >= (least.get(contestant.id) ?? Infinity)) return;
		least.set(contestant.id, mean);
		best.set(contestant.id, contestant.variant);
	});
	return best;
}
