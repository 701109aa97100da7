import type { Seconds } from "../units.ts";
import { ageFactor, keyFactors } from "./ageing.ts";
import type { Design, Evidence } from "./evidence.ts";

/** What the estimate before any evidence counts: a Beta(20 m0, 20 (1 - m0)). */
export const PRIOR_STRENGTH = 20;

/** All domains together. */
export const EVERYWHERE = "*";

/** What is known of one model in one domain. */
export interface Cell {
	/** Scores that it is worth as many as (Kish's effective size where propensities differ). */
	readonly n: number;
	/** Of the scores, weighted by 1 / propensity. */
	readonly mean: number;
	/** Of what the card expected of the same prompts; NaN where it has said nothing. */
	readonly card: number;
}

const NOTHING: Cell = { n: 0, mean: Number.NaN, card: Number.NaN };

/** Cells by domain and model. */
export class Cells {
	readonly #cells = new Map<string, Map<string, Cell>>();

	get domains(): readonly string[] {
		return [...this.#cells.keys()];
	}

	at(domain: string, model: string): Cell {
		return this.#cells.get(domain)?.get(model) ?? NOTHING;
	}

	of(domain: string): Iterable<readonly [string, Cell]> {
		return this.#cells.get(domain) ?? [];
	}

	set(domain: string, model: string, cell: Cell): void {
		let row = this.#cells.get(domain);
		if (!row) this.#cells.set(domain, (row = new Map<string, Cell>()));
		row.set(model, cell);
	}
}

interface Sums {
	n: number;
	/** Sums of b r, b r^2, b r y over evidence of count b and inverse propensity r. */
	weight: number;
	square: number;
	score: number;
	/** b r and b r c where the card's estimate c is known. */
	cardWeight: number;
	card: number;
}

/** Sums evidence into cells. Each design is an estimate of its own, self-normalised by its inverse propensities (Hajek); they are
 *  joined by how many scores each is worth, because their propensities have nothing in common. The order of `evidence` changes
 *  nothing but the last bits. */
export function cellsOf(evidence: readonly Evidence[], now: Seconds): Cells {
	const factors = factorsByModel(evidence, now);
	const sums = new Map<string, Map<string, Map<Design, Sums>>>();
	for (const each of evidence) {
		const count = each.weight * ageFactor(each.at, now) * (factors.get(each.model)?.get(each.key) ?? 1);
		add(sums, EVERYWHERE, each, count);
		for (const { name, p } of each.domains) add(sums, name, each, count * p);
	}
	const cells = new Cells();
	for (const [domain, models] of sums) {
		for (const [model, designs] of models) cells.set(domain, model, joined([...designs.values()]));
	}
	return cells;
}

/** The mean and variance of a quality that `prior` was expected of, after the cell's scores. */
export function posterior({ n, mean }: Cell, prior: number): { readonly mean: number; readonly variance: number } {
	const strength = n + PRIOR_STRENGTH;
	const after = n === 0 ? prior : (PRIOR_STRENGTH * prior + n * mean) / strength;
	return { mean: after, variance: (after * (1 - after)) / (strength + 1) };
}

function factorsByModel(evidence: readonly Evidence[], now: Seconds): Map<string, ReadonlyMap<string, number>> {
	const byModel = Map.groupBy(evidence, ({ model }) => model);
	return new Map([...byModel].map(([model, said]) => [model, keyFactors(said, now)] as const));
}

function add(
	sums: Map<string, Map<string, Map<Design, Sums>>>,
	domain: string,
	{ model, design, ips, score, card }: Evidence,
	count: number,
): void {
	if (count <= 0) return;
	let models = sums.get(domain);
	if (!models) sums.set(domain, (models = new Map<string, Map<Design, Sums>>()));
	let designs = models.get(model);
	if (!designs) models.set(model, (designs = new Map<Design, Sums>()));
	let sum = designs.get(design);
	if (!sum) designs.set(design, (sum = { n: 0, weight: 0, square: 0, score: 0, cardWeight: 0, card: 0 }));
	const weight = count * ips;
	sum.n += count;
	sum.weight += weight;
	sum.square += weight * ips;
	sum.score += weight * score;
	if (card === null) return;
	sum.cardWeight += weight;
	sum.card += weight * card;
}

function joined(designs: readonly Sums[]): Cell {
	let n = 0;
	let score = 0;
	let cardN = 0;
	let card = 0;
	for (const sum of designs) {
		const worth = (sum.weight * sum.weight) / sum.square;
		n += worth;
		score += (worth * sum.score) / sum.weight;
		if (sum.cardWeight === 0) continue;
		cardN += worth;
		card += (worth * sum.card) / sum.cardWeight;
	}
	return { n, mean: score / n, card: cardN === 0 ? Number.NaN : card / cardN };
}
