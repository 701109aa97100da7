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
const WEIGHTS = [0, ...Array.from({ length: 240 }, (_, i) => 10 ** (-2 + (i * 9) / 239))];
/** Standard errors by which a floor, or what is to be saved, must be exceeded where the weight is chosen: else, of many weights
 *  that keep it there by little, the one with the most luck would be taken, and not keep it elsewhere. */
const MARGIN = 1;

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

/** What became of choices under each of `WEIGHTS`, of those in which always `candidate` was measured. */
export interface Trials {
	readonly known: readonly Choice[];
	readonly candidate: number;
	/** By weight: the chosen candidate of each choice. */
	readonly chosen: readonly Uint16Array[];
}

export function tryWeights(choices: readonly Choice[], candidate: number): Trials {
	const known = choices.filter(({ score }) => !Number.isNaN(score[candidate]));
	const chosen = WEIGHTS.map((weight) => Uint16Array.from(known, (choice) => choose(choice, weight)));
	return { known, candidate, chosen };
}

/** The weight under which the choices cost least, of those that keep `floor` times the quality of always the candidate, with a
 *  margin; 0 where none does. */
export function weightFor(trials: Trials, floor: number): number {
	const { known, candidate, chosen } = trials;
	let best = { weight: 0, usd: Number.POSITIVE_INFINITY };
	WEIGHTS.forEach((weight, w) => {
		const usd = known.reduce((sum, choice, i) => sum + choice.usd[chosen[w]![i]!]!, 0);
		if (usd >= best.usd) return;
		if (lowerBound(trials, w, ({ score }, own) => score[own]! - floor * score[candidate]!) >= 0) best = { weight, usd };
	});
	return best.weight;
}

/** The least weight under which the choices save the share `saving` of what always the candidate costs, with a margin; the
 *  greatest where none does. */
export function weightForSaving(trials: Trials, saving: number): number {
	const spared = ({ usd }: Choice, own: number) => (1 - saving) * usd[trials.candidate]! - usd[own]!;
	return WEIGHTS.find((_, w) => lowerBound(trials, w, spared) >= 0) ?? WEIGHTS.at(-1)!;
}

/** Mean of what choices gain under a weight, less `MARGIN` of its standard errors. */
function lowerBound(
	{ known, chosen }: Trials,
	weight: number,
	gainOf: (choice: Choice, chosen: number) => number,
): number {
	let [sum, squares] = [0, 0];
	const n = known.length;
	for (let i = 0; i < n; i++) {
		const gain = gainOf(known[i]!, chosen[weight]![i]!);
		sum += gain;
		squares += gain * gain;
	}
	const mean = sum / n;
	return mean - MARGIN * Math.sqrt(Math.max(0, squares / n - mean * mean) / n);
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
