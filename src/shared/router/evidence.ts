import type { Seconds } from "../units.ts";
import { comparisonsOf, type Comparison } from "./comparisons.ts";
import { SOURCE_WEIGHT, type AnchorRow, type DomainShare, type Outcome } from "./outcome.ts";

/** How a score came to be of a model that was not chosen for it: drawn at random, seen beside another answer to the same prompt, or
 *  labelled by the operator. Each is an unbiased estimate by itself, with weights of its own scale. */
export const DESIGNS = ["explored", "paired", "anchor"] as const;
export type Design = (typeof DESIGNS)[number];

/** One score that may move an estimate. */
export interface Evidence {
	readonly design: Design;
	readonly model: string;
	readonly key: string;
	readonly domains: readonly DomainShare[];
	readonly score: number;
	readonly card: number | null;
	/** How much it counts, before age: what its source is worth. */
	readonly weight: number;
	/** 1 / P(this model was drawn), clipped at IPS_WEIGHT_MAX. */
	readonly ips: number;
	/** Null: does not age. */
	readonly at: Seconds | null;
}

/** Models compared on one prompt. */
export interface Duel {
	readonly domains: readonly DomainShare[];
	readonly models: readonly string[];
	readonly scores: readonly number[];
	/** False of a preference, whose scores only say which is better. */
	readonly graded: boolean;
	readonly weight: number;
	readonly key: string;
	readonly at: Seconds | null;
}

export interface Sifted {
	readonly evidence: readonly Evidence[];
	readonly duels: readonly Duel[];
	/** Scores of deterministic choices: shown, and nothing else. */
	readonly observed: readonly Outcome[];
}

/** All domains together. */
export const EVERYWHERE = "*";

/** Whose word is not capped. */
export const OPERATOR = "";

/** Inverse propensities are clipped here: one draw among ten thousand may not outweigh all others. */
export const IPS_WEIGHT_MAX = 10_000;

/** Parts what may move an estimate from what may only be counted. A score counts where its model was drawn at random, or where
 *  the answer that was sent beside it was scored too; a preference only compares. Any order of outcomes gives the same. */
export function sift(outcomes: readonly Outcome[], anchors: readonly AnchorRow[]): Sifted {
	const evidence: Evidence[] = [];
	const duels: Duel[] = [];
	const observed: Outcome[] = [];
	const scored = strongest(outcomes.filter(({ over }) => over === null));
	const shadowed = new Set<string>();
	for (const second of scored.values()) {
		const first = second.shadowOf === null ? undefined : scored.get(second.shadowOf);
		if (!first || first.model === second.model) continue;
		shadowed.add(first.request).add(second.request);
		duels.push(duelOf(first, second));
		evidence.push(evidenceOf("paired", second));
		// The answer that was there anyway stands for itself: it was chosen wherever it could have been.
		evidence.push(evidenceOf("paired", { ...first, propensity: 1 }));
	}
	for (const outcome of scored.values()) {
		if (shadowed.has(outcome.request)) continue;
		if (outcome.explored && outcome.shadowOf === null) evidence.push(evidenceOf("explored", outcome));
		else observed.push(outcome);
	}
	for (const preferred of outcomes) {
		const { over, domains, model, key, at } = preferred;
		if (!over || over.model === model) continue;
		const weight = SOURCE_WEIGHT[preferred.source];
		duels.push({ domains, models: [model, over.model], scores: [1, 0], graded: false, weight, key, at });
	}
	for (const anchor of anchors) {
		evidence.push(...evidenceOfAnchor(anchor));
		const models = Object.keys(anchor.scores);
		const scores = Object.values(anchor.scores);
		if (models.length > 1) {
			duels.push({ domains: anchor.domains, models, scores, graded: true, weight: 1, key: OPERATOR, at: null });
		}
	}
	return { evidence, duels, observed };
}

/** Of each domain, and in EVERYWHERE of all, the comparisons of duels among `models`, each weighted by `weightOf`. */
export function comparisonsByDomain(
	duels: readonly Duel[],
	models: readonly string[],
	weightOf: (duel: Duel) => number,
): ReadonlyMap<string, Comparison[]> {
	const index = new Map(models.map((model, m) => [model, m]));
	const found = new Map<string, Comparison[]>([[EVERYWHERE, []]]);
	for (const duel of duels) {
		const weight = weightOf(duel);
		const row = new Float64Array(models.length).fill(Number.NaN);
		for (const [i, model] of duel.models.entries()) {
			const m = index.get(model);
			if (m !== undefined) row[m] = duel.scores[i]!;
		}
		const comparisons = weight > 0 ? comparisonsOf(row, weight) : [];
		if (comparisons.length === 0) continue;
		found.get(EVERYWHERE)!.push(...comparisons);
		for (const { name, p } of duel.domains) {
			let list = found.get(name);
			if (!list) found.set(name, (list = []));
			list.push(...comparisons.map((each) => ({ ...each, weight: weight * p })));
		}
	}
	return found;
}

/** Of each request the word that counts most: it is not believed twice. */
function strongest(outcomes: readonly Outcome[]): Map<string, Outcome> {
	const found = new Map<string, Outcome>();
	for (const outcome of outcomes) {
		const had = found.get(outcome.request);
		if (!had || rank(outcome) < rank(had)) found.set(outcome.request, outcome);
	}
	return found;
}

function rank({ source }: Outcome): number {
	return { user: 0, judge: 1, router: 2 }[source];
}

function duelOf(first: Outcome, second: Outcome): Duel {
	const weight = Math.min(SOURCE_WEIGHT[first.source], SOURCE_WEIGHT[second.source]);
	return {
		domains: first.domains,
		models: [first.model, second.model],
		scores: [first.score, second.score],
		graded: true,
		weight,
		key: first.key,
		at: first.at,
	};
}

function evidenceOf(design: Design, { model, key, domains, score, card, source, propensity, at }: Outcome): Evidence {
	const ips = Math.min(IPS_WEIGHT_MAX, 1 / propensity);
	return { design, model, key, domains, score, card, weight: SOURCE_WEIGHT[source], ips, at };
}

function evidenceOfAnchor({ domains, scores, cards }: AnchorRow): Evidence[] {
	return Object.entries(scores).map(([model, score]) => ({
		design: "anchor",
		model,
		key: OPERATOR,
		domains,
		score,
		card: cards[model] ?? null,
		weight: 1,
		ips: 1,
		at: null,
	}));
}
