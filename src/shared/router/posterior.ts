import type { Seconds } from "../units.ts";
import { ageFactor, keyFactors } from "./ageing.ts";
import { DESIGNS, EVERYWHERE, type Evidence } from "./evidence.ts";

/** What the estimate before any evidence counts: a Beta(20 m0, 20 (1 - m0)). */
export const PRIOR_STRENGTH = 20;

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

	set(domain: string, model: string, cell: Cell): void {
		let row = this.#cells.get(domain);
		if (!row) this.#cells.set(domain, (row = new Map<string, Cell>()));
		row.set(model, cell);
	}
}

/** Of one (domain, model, design), side by side: sums of b r, b r^2 and b r y over evidence of count b and inverse propensity r; and
 *  of b r and b r c where the card's estimate c is known. */
const WEIGHT = 0;
const SQUARE = 1;
const SCORE = 2;
const CARD_WEIGHT = 3;
const CARD = 4;
const WIDTH = 5;

/** Sums evidence into cells. Each design is an estimate of its own, self-normalised by its inverse propensities (Hajek); they are
 *  joined by how many scores each is worth, because their propensities have nothing in common. The order of `evidence` changes
 *  nothing but the last bits. */
export function cellsOf(evidence: readonly Evidence[], now: Seconds): Cells {
	const domains = indexOf([EVERYWHERE, ...evidence.flatMap((each) => each.domains.map(({ name }) => name))]);
	const models = indexOf(evidence.map(({ model }) => model));
	const sums = new Float64Array(domains.size * models.size * DESIGNS.length * WIDTH);
	const factors = factorsByModel(evidence, now);
	for (const each of evidence) {
		const count = each.weight * ageFactor(each.at, now) * (factors.get(each.model)?.get(each.key) ?? 1);
		const column = models.get(each.model)! * DESIGNS.length + DESIGNS.indexOf(each.design);
		const place = (domain: number): number => (domain * models.size * DESIGNS.length + column) * WIDTH;
		add(sums, place(0), each, count);
		for (const { name, p } of each.domains) add(sums, place(domains.get(name)!), each, count * p);
	}
	const cells = new Cells();
	for (const [domain, d] of domains) {
		for (const [model, m] of models) {
			const from = (d * models.size + m) * DESIGNS.length * WIDTH;
			const cell = joined(sums.subarray(from, from + DESIGNS.length * WIDTH));
			if (cell.n > 0) cells.set(domain, model, cell);
		}
	}
	return cells;
}

function indexOf(names: readonly string[]): Map<string, number> {
	const index = new Map<string, number>();
	for (const name of names) if (!index.has(name)) index.set(name, index.size);
	return index;
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

function add(sums: Float64Array, at: number, { ips, score, card }: Evidence, count: number): void {
	const weight = count * ips;
	sums[at + WEIGHT]! += weight;
	sums[at + SQUARE]! += weight * ips;
	sums[at + SCORE]! += weight * score;
	if (card === null) return;
	sums[at + CARD_WEIGHT]! += weight;
	sums[at + CARD]! += weight * card;
}

function joined(sums: Float64Array): Cell {
	let n = 0;
	let score = 0;
	let cardN = 0;
	let card = 0;
	for (let at = 0; at < sums.length; at += WIDTH) {
		const weight = sums[at + WEIGHT]!;
		if (weight <= 0) continue;
		const worth = (weight * weight) / sums[at + SQUARE]!;
		n += worth;
		score += (worth * sums[at + SCORE]!) / weight;
		const cardWeight = sums[at + CARD_WEIGHT]!;
		if (cardWeight === 0) continue;
		cardN += worth;
		card += (worth * sums[at + CARD]!) / cardWeight;
	}
	return { n, mean: score / n, card: cardN === 0 ? Number.NaN : card / cardN };
}
