import type { Outcome } from "./outcome.ts";

/** A prompt as a choice sees it, and what became of it. By candidate, in one order for all prompts. */
export interface Choice {
	/** Estimated quality. */
	readonly quality: Float64Array;
	/** Expected cost, USD. */
	readonly expectedUsd: Float64Array;
	/** What was measured; NaN: not at all, so that it cannot be chosen. */
	readonly score: Float64Array;
	readonly usd: Float64Array;
}

export interface Played {
	readonly quality: number;
	readonly usd: number;
}

/** Quality lost that a dollar is worth: from none to one that only the price decides under. */
const WEIGHTS = [0, ...Array.from({ length: 120 }, (_, i) => 10 ** (-2 + (i * 9) / 119))];

/** Index of the candidate with the greatest `quality - weight * expected dollars`. */
export function choose({ quality, expectedUsd, score }: Choice, weight: number): number {
	let best = -1;
	let most = Number.NEGATIVE_INFINITY;
	for (let i = 0; i < quality.length; i++) {
		const utility = quality[i]! - weight * expectedUsd[i]!;
		if (Number.isNaN(score[i]) || !(utility > most)) continue;
		most = utility;
		best = i;
	}
	return best;
}

/** Means over the prompts. */
export function play(choices: readonly Choice[], weight: number): Played {
	let quality = 0;
	let usd = 0;
	for (const each of choices) {
		const chosen = choose(each, weight);
		quality += each.score[chosen]!;
		usd += each.usd[chosen]!;
	}
	return { quality: quality / choices.length, usd: usd / choices.length };
}

/** Always the same candidate, as far as it was measured. */
export function playSingle(choices: readonly Choice[], candidate: number): Played {
	const known = choices.filter(({ score }) => !Number.isNaN(score[candidate]));
	const mean = (of: (choice: Choice) => number) => known.reduce((sum, each) => sum + of(each), 0) / known.length;
	return { quality: mean(({ score }) => score[candidate]!), usd: mean(({ usd }) => usd[candidate]!) };
}

/** The weight under which these choices cost least, of those that keep at least `quality`; 0 where none does. */
export function weightFor(choices: readonly Choice[], quality: number): number {
	let best = { weight: 0, usd: Number.POSITIVE_INFINITY };
	for (const weight of WEIGHTS) {
		const played = play(choices, weight);
		if (played.quality >= quality && played.usd < best.usd) best = { weight, usd: played.usd };
	}
	return best.weight;
}

/** Mean cost of a request by domain and model, [D x M]; the model's mean where the domain has none, NaN without any. */
export function meanUsd(
	outcomes: readonly Outcome[],
	domains: readonly string[],
	models: readonly string[],
): Float64Array {
	const [sum, n] = [new Float64Array(domains.length * models.length), new Float64Array(domains.length * models.length)];
	const all = models.map(() => ({ sum: 0, n: 0 }));
	const column = new Map(models.map((model, m) => [model, m]));
	const row = new Map(domains.map((domain, d) => [domain, d]));
	for (const { domain, usd } of outcomes) {
		for (const [model, cost] of usd) {
			const m = column.get(model);
			if (m === undefined) continue;
			const cell = row.get(domain)! * models.length + m;
			sum[cell]! += cost;
			n[cell]!++;
			all[m]!.sum += cost;
			all[m]!.n++;
		}
	}
	return sum.map((total, cell) => {
		const model = all[cell % models.length]!;
		return n[cell]! > 0 ? total / n[cell]! : model.sum / model.n;
	});
}
