import { createEstimator } from "../estimator/estimator.ts";
import type { Estimator } from "../prompt-estimate.ts";
import { readWeights } from "../weights/read.ts";
import { writeWeights } from "../weights/write.ts";
import type { Weights } from "../weights/weights.ts";
import { meanUsd, play, playSingle, tryWeights, weightFor, type Choice } from "./floors.ts";
import { judge, type Judged } from "./judge.ts";
import type { Outcome } from "./outcome.ts";
import { splitByKey } from "./split.ts";
import { trainWeights, type TrainSettings } from "./train.ts";

export const FLOORS = [1, 0.97, 0.95] as const;
/** Of the keys: what the report judges on. */
const REPORT_SHARE = 0.2;
/** A model that fewer of the prompts have is none to choose. */
const MEASURED_MIN = 0.98;

export interface Report {
	readonly pools: readonly PoolReport[];
}

export interface PoolReport extends Judged {
	readonly pool: string;
	/** Empty where the outcomes do not tell costs. */
	readonly floors: readonly FloorReport[];
}

export interface FloorReport {
	readonly floor: number;
	/** Of that of the best single model. */
	readonly quality: number;
	/** Of its cost, what is saved. */
	readonly saving: number;
}

/** Through the bytes of a file, so that what is judged is what would ship. */
export function estimatorOf(weights: Omit<Weights, "version">): Estimator {
	const read = readWeights(writeWeights(weights));
	if (!read.ok) throw new Error(`The weights cannot be read again: ${JSON.stringify(read.error)}`);
	return createEstimator(read.value);
}

/** Trains on most of the outcomes and judges on the others, pool by pool. */
export function reportOn(
	outcomes: readonly Outcome[],
	seed: number,
	settings: TrainSettings,
	say: (text: string) => void,
): Report {
	const [training, others] = splitByKey(outcomes, REPORT_SHARE, "report", seed);
	const { weights, folds } = trainWeights(training, seed, settings, say);
	const estimator = estimatorOf(weights);
	const tuning = folds.map((fold) => ({ estimator: estimatorOf(fold.weights), outcomes: fold.outcomes }));
	return {
		pools: weights.pools.map(({ name, models }) => {
			const ofPool = (rows: readonly Outcome[]) => rows.filter(({ pool }) => pool === name);
			const own = { ...weights, models: models.map((model) => weights.models[model]!) };
			return {
				pool: name,
				...judge(estimator, ofPool(others)),
				floors: floorsOf(estimator, own.models, {
					training: ofPool(training),
					tuning: tuning.map((fold) => ({ ...fold, outcomes: ofPool(fold.outcomes) })),
					others: ofPool(others),
				}),
			};
		}),
	};
}

interface Parts {
	readonly training: readonly Outcome[];
	/** Each with an estimator that was not fitted to it. */
	readonly tuning: readonly { readonly estimator: Estimator; readonly outcomes: readonly Outcome[] }[];
	readonly others: readonly Outcome[];
}

/** What is kept and saved under weights that were chosen on the tuning parts. */
export function floorsOf(
	estimator: Estimator,
	models: readonly string[],
	{ training, tuning, others }: Parts,
): FloorReport[] {
	const priced = models.filter((model) => {
		const known = others.filter(({ usd, scores }) => usd.has(model) && scores.has(model)).length;
		return known >= MEASURED_MIN * others.length && known > 0;
	});
	if (priced.length < 2) return [];
	const costs = meanUsd(training, estimator.domains, priced);
	const dev = tuning.flatMap((fold) => choicesOf(fold.estimator, priced, fold.outcomes, costs));
	const test = choicesOf(estimator, priced, others, costs);
	const best = bestSingle(dev, priced.length);
	const single = playSingle(test, best);
	const trials = tryWeights(dev, best);
	return FLOORS.map((floor) => {
		const { quality, usd } = play(test, weightFor(trials, floor));
		return { floor, quality: quality / single.quality, saving: 1 - usd / single.usd };
	});
}

export function bestSingle(choices: readonly Choice[], candidates: number): number {
	const qualities = Array.from({ length: candidates }, (_, i) => playSingle(choices, i).quality);
	return qualities.indexOf(Math.max(...qualities));
}

/** Outcomes that `models` were asked, as choices among them; the expected cost is that of the domains it may be of. */
export function choicesOf(
	estimator: Estimator,
	models: readonly string[],
	outcomes: readonly Outcome[],
	costs: Float64Array,
): Choice[] {
	const columns = models.map((model) => estimator.models.indexOf(model));
	return outcomes
		.filter(({ scores, usd }) => models.some((model) => scores.has(model) && usd.has(model)))
		.map(({ prompt, scores, usd }) => {
			const { quality, posterior } = estimator.estimate(prompt);
			const known = (model: string) => scores.has(model) && usd.has(model);
			return {
				quality: Float64Array.from(columns, (column) => quality[column]!),
				expectedUsd: Float64Array.from(models, (_, m) =>
					posterior.reduce((sum, p, d) => sum + p * costs[d * models.length + m]!, 0),
				),
				score: Float64Array.from(models, (model) => (known(model) ? scores.get(model)! : Number.NaN)),
				usd: Float64Array.from(models, (model) => (known(model) ? usd.get(model)! : Number.NaN)),
			};
		});
}
