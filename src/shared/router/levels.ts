import { EVERYWHERE } from "./evidence.ts";
import { posterior, PRIOR_STRENGTH, type Cells } from "./posterior.ts";

/** Before anything is known of anybody. */
const START = 0.5;
/** Scores with which a model helps to tell what a strength means in quality, and how many such models it takes. */
const CALIBRATING_N = 20;
const CALIBRATING_MODELS = 3;
/** Qualities are kept from 0 and 1, where a logit has no value. */
const EDGE = 0.01;

/** What a model without a card is expected to be worth before it has scores in a domain. */
export interface Levels {
	/** Logit-additive: what it is worth in general, moved by how hard the domain is for all (routing.md 7.3). */
	prior(domain: string, model: string): number;
}

/** Levels of `models`, from unbiased evidence alone: a model's own scores are shrunk toward what its rank among the others says
 *  of it where the ranking can be read in terms of quality, else toward the mean of all. */
export function levelsOf(cells: Cells, models: readonly string[], strengths: Float64Array): Levels {
	const grand = meanOver(cells, EVERYWHERE, models, START);
	const ofRank = readRanking(cells, models, strengths);
	const general = new Map(
		models.map((model, m) => {
			const target = ofRank === null ? grand : sigmoid(ofRank.intercept + ofRank.slope * strengths[m]!);
			return [model, posterior(cells.at(EVERYWHERE, model), target).mean] as const;
		}),
	);
	const hardness = new Map<string, number>();
	return {
		prior(domain, model) {
			const own = general.get(model) ?? grand;
			if (domain === EVERYWHERE) return own;
			let mean = hardness.get(domain);
			if (mean === undefined) hardness.set(domain, (mean = meanOver(cells, domain, models, grand)));
			return sigmoid(logit(own) + logit(mean) - logit(grand));
		},
	};
}

export function logit(p: number): number {
	const inside = Math.min(1 - EDGE, Math.max(EDGE, p));
	return Math.log(inside / (1 - inside));
}

export function sigmoid(x: number): number {
	return 1 / (1 + Math.exp(-x));
}

/** Mean score in a domain, shrunk toward `target`. */
function meanOver(cells: Cells, domain: string, models: readonly string[], target: number): number {
	let n = 0;
	let sum = 0;
	for (const model of models) {
		const cell = cells.at(domain, model);
		if (cell.n === 0) continue;
		n += cell.n;
		sum += cell.n * cell.mean;
	}
	return (PRIOR_STRENGTH * target + sum) / (PRIOR_STRENGTH + n);
}

/** Least squares of logit quality on strength, each model by its scores; null where too few have both. */
function readRanking(
	cells: Cells,
	models: readonly string[],
	strengths: Float64Array,
): { readonly intercept: number; readonly slope: number } | null {
	const known = models.flatMap((model, m) => {
		const { n, mean } = cells.at(EVERYWHERE, model);
		return n >= CALIBRATING_N && strengths[m] !== 0 ? [{ n, x: strengths[m]!, y: logit(mean) }] : [];
	});
	if (known.length < CALIBRATING_MODELS) return null;
	const total = known.reduce((sum, { n }) => sum + n, 0);
	const x = known.reduce((sum, each) => sum + each.n * each.x, 0) / total;
	const y = known.reduce((sum, each) => sum + each.n * each.y, 0) / total;
	const spread = known.reduce((sum, each) => sum + each.n * (each.x - x) ** 2, 0);
	const together = known.reduce((sum, each) => sum + each.n * (each.x - x) * (each.y - y), 0);
	if (spread <= 0 || together <= 0) return null;
	const slope = together / spread;
	return { slope, intercept: y - slope * x };
}
