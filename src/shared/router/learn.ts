import type { Seconds } from "../units.ts";
import { ageFactor, keyFactors } from "./ageing.ts";
import { comparisonsByDomain, EVERYWHERE, sift, type Duel, type Sifted } from "./evidence.ts";
import { gate, GATE_MARGIN, type Differences, type Gate } from "./gate.ts";
import { levelsOf, type Levels } from "./levels.ts";
import type { OnlineView, RouterSetup } from "./online-view.ts";
import type { AnchorRow, Outcome } from "./outcome.ts";
import { strengths } from "./plackett-luce.ts";
import { cellsOf, posterior, type Cell, type Cells } from "./posterior.ts";

/** Labelled prompts that stand for a card. */
export const ANCHORS_AS_CARD = 200;

/** What can be said of a router's models from all that it has been told. */
export interface Learned {
	readonly models: readonly string[];
	/** Those with evidence, EVERYWHERE first. */
	readonly domains: readonly string[];
	readonly cells: Cells;
	readonly levels: Levels;
	/** Over all domains; logarithms that sum to 0, in the order of `models`. */
	readonly strengths: Float64Array;
	readonly sifted: Sifted;
	/** Labelled prompts, and by model those that score it. */
	readonly labelled: number;
	readonly labels: ReadonlyMap<string, number>;
	readonly gate: (domain: string, model: string) => Gate | null;
	/** The ranking in one domain. */
	readonly ranking: (domain: string) => Float64Array;
}

/** Everything from the beginning, so that nothing depends on the order in which it was told. */
export function learn(
	setup: RouterSetup,
	outcomes: readonly Outcome[],
	anchors: readonly AnchorRow[],
	now: Seconds,
): Learned {
	const models = setup.models.map(({ id }) => id);
	const known = new Set(models);
	const sifted = sift(
		outcomes.filter(({ model }) => known.has(model)),
		anchors,
	);
	const cells = cellsOf(
		sifted.evidence.filter(({ model }) => known.has(model)),
		now,
	);
	const factors = keyFactors(sifted.duels, now);
	const weightOf = (duel: Duel): number => duel.weight * ageFactor(duel.at, now) * (factors.get(duel.key) ?? 1);
	const comparisons = comparisonsByDomain(sifted.duels, models, weightOf);
	const ranking = (domain: string): Float64Array => strengths(comparisons.get(domain) ?? [], models.length);
	const everywhere = ranking(EVERYWHERE);
	const levels = levelsOf(cells, models, everywhere);
	const domains = [EVERYWHERE, ...cells.domains.filter((domain) => domain !== EVERYWHERE).sort()];
	const labels = new Map<string, number>();
	for (const { scores } of anchors) {
		for (const model of Object.keys(scores)) labels.set(model, (labels.get(model) ?? 0) + 1);
	}
	const differences = differencesFrom(setup.incumbent, sifted.duels, weightOf);
	const gateOf = (domain: string, model: string): Gate | null => {
		const { incumbent, margin } = setup;
		if (incumbent === null || incumbent === model) return null;
		const level = (of: string) => levelIn(cells, levels, domain, of);
		const allowed = Math.max(GATE_MARGIN, margin * level(incumbent).mean);
		return gate(level(model), level(incumbent), differences(domain, model), allowed);
	};
	return {
		models,
		domains,
		cells,
		levels,
		strengths: everywhere,
		sifted,
		labelled: anchors.length,
		labels,
		gate: gateOf,
		ranking,
	};
}

/** What isolates are told of it. */
export function viewOf(learned: Learned, revision: number, now: Seconds): OnlineView {
	const { models, domains, cells, levels, labels } = learned;
	const size = models.length * domains.length;
	const view = {
		revision,
		madeAt: now,
		domains,
		models,
		evidence: new Float32Array(size),
		level: new Float32Array(size),
		standardError: new Float32Array(size),
		shift: new Float32Array(size),
		open: new Uint8Array(size),
		labelled: Uint8Array.from(models, (model) => ((labels.get(model) ?? 0) >= ANCHORS_AS_CARD ? 1 : 0)),
		strengths: Float32Array.from(learned.strengths),
	};
	for (const [d, domain] of domains.entries()) {
		for (const [m, model] of models.entries()) {
			const at = d * models.length + m;
			const cell = cells.at(domain, model);
			const { mean, variance } = levelIn(cells, levels, domain, model);
			view.evidence[at] = cell.n;
			view.level[at] = mean;
			view.standardError[at] = Math.sqrt(variance);
			view.shift[at] = Number.isNaN(cell.card) ? 0 : cell.mean - cell.card;
			view.open[at] = learned.gate(domain, model)?.open ? 1 : 0;
		}
	}
	return view;
}

/** A quality with what is known of it; where the card has said what it expects there, that is what it is shrunk toward. */
export function levelIn(
	cells: Cells,
	levels: Levels,
	domain: string,
	model: string,
): { readonly n: number; readonly mean: number; readonly variance: number } {
	const cell: Cell = cells.at(domain, model);
	const prior = Number.isNaN(cell.card) ? levels.prior(domain, model) : cell.card;
	return { n: cell.n, ...posterior(cell, prior) };
}

/** By domain and model, how its scores differ from the incumbent's on the same prompts. */
function differencesFrom(
	incumbent: string | null,
	duels: readonly Duel[],
	weightOf: (duel: Duel) => number,
): (domain: string, model: string) => Differences {
	const sums = new Map<string, Map<string, { n: number; sum: number; squares: number }>>();
	const add = (domain: string, model: string, weight: number, difference: number): void => {
		let row = sums.get(domain);
		if (!row) sums.set(domain, (row = new Map<string, { n: number; sum: number; squares: number }>()));
		let sum = row.get(model);
		if (!sum) row.set(model, (sum = { n: 0, sum: 0, squares: 0 }));
		sum.n += weight;
		sum.sum += weight * difference;
		sum.squares += weight * difference * difference;
	};
	for (const duel of duels) {
		const theirs = incumbent === null || !duel.graded ? -1 : duel.models.indexOf(incumbent);
		if (theirs < 0) continue;
		const weight = weightOf(duel);
		for (const [ours, model] of duel.models.entries()) {
			if (ours === theirs) continue;
			const difference = duel.scores[ours]! - duel.scores[theirs]!;
			add(EVERYWHERE, model, weight, difference);
			for (const { name, p } of duel.domains) add(name, model, weight * p, difference);
		}
	}
	return (domain, model) => {
		const { n, sum, squares } = sums.get(domain)?.get(model) ?? { n: 0, sum: 0, squares: 0 };
		const mean = n === 0 ? 0 : sum / n;
		return { n, mean, variance: n === 0 ? 0 : Math.max(0, squares / n - mean * mean) };
	};
}
