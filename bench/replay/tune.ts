import { OTHERS } from "./policies/all.ts";
import { KEY_POLICIES } from "./policies/isobar.ts";
import type { Contestant, Job } from "./job.ts";
import type { Metrics } from "./metrics.ts";
import { meanOf } from "../lib/statistics.ts";
import type { Setting } from "./settings.ts";

/** Everything that can be set, in every way; what has nothing to set is left out. */
export const VARIANTS: readonly Exclude<Contestant, { kind: "limit" }>[] = [
	...KEY_POLICIES.map((_, variant) => ({ kind: "ours" as const, options: { places: 0 }, variant })),
	...OTHERS.flatMap(({ id, variants }) =>
		variants.length > 1 ? variants.map((_, variant) => ({ kind: "other" as const, id, variant })) : [],
	),
];

/** The jobs that try all variants on the first half of a setting's trace, one a seed. */
export function tuningJobs(setting: Setting, seeds: readonly number[], size: number): Job[] {
	return seeds.map((seed) => ({ setting, half: "first", seed, size, restarts: false, contestants: VARIANTS }));
}

/** The variant of each router, `ours` among them, that had the least mean TTFT there; the first where there is only one.
 *  `outcomes` are those of `tuningJobs`. */
export function tuned(outcomes: readonly (readonly Metrics[])[]): ReadonlyMap<string, number> {
	const best = new Map<string, number>(OTHERS.map(({ id }) => [id, 0]));
	const least = new Map<string, number>();
	VARIANTS.forEach((contestant, index) => {
		const id = contestant.kind === "ours" ? "ours" : contestant.id;
		const mean = meanOf(outcomes.map((metrics) => metrics[index]!.mean));
		if (mean >= (least.get(id) ?? Infinity)) return;
		least.set(id, mean);
		best.set(id, contestant.variant);
	});
	return best;
}
