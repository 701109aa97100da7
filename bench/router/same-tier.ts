import { randomOf, shuffle } from "../../src/shared/router/training/random.ts";
import type { Contender } from "./contenders/contender.ts";
import type { Judging } from "./figures.ts";
import { PERTURBATIONS } from "./perturb.ts";

const PROMPTS = { full: 300, quick: 60 } as const;

/** Share of (prompt, perturbation) that stay on the same side of `threshold`, which half of all prompts pass: the strong model
 *  or the weak one. No hysteresis: what the estimate alone does. */
export function sameTier(
	contender: Contender,
	{ pool, judged, weights, seed, quick }: Judging,
	threshold: number,
): number {
	const random = randomOf(seed);
	const order = shuffle(
		judged.map((_, i) => i),
		random,
	).slice(0, quick ? PROMPTS.quick : PROMPTS.full);
	const [strong, weak] = [weights.models.indexOf(pool.strong), weights.models.indexOf(pool.weak)];
	const isStrong = (prompt: string) => {
		const quality = contender.quality(prompt);
		return quality[strong]! - quality[weak]! >= threshold;
	};
	let same = 0;
	let all = 0;
	for (const i of order) {
		const { prompt } = judged[i]!;
		const before = isStrong(prompt);
		for (const perturb of Object.values(PERTURBATIONS)) {
			if (isStrong(perturb(prompt, random)) === before) same++;
			all++;
		}
	}
	return same / all;
}
