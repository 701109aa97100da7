import { BLEND_COUNT, NOVELTY_SIGNALS, type Weights } from "../weights/weights.ts";
import { chooseAnchors } from "./choose-anchors.ts";
import { chooseGrams } from "./choose-grams.ts";
import { fitCentroids } from "./fit-centroids.ts";
import { fitLatent } from "./fit-latent.ts";
import { fitLength } from "./fit-length.ts";
import { fitLinear } from "./fit-linear.ts";
import { fitPriors } from "./fit-priors.ts";
import type { Outcome } from "./outcome.ts";
import { randomOf } from "./random.ts";
import { spaceOf, tableOf, type Space, type Table } from "./space.ts";
import { foldsByKey } from "./split.ts";
import { tune } from "./tune.ts";
import { vectorsOf } from "./vectors.ts";

export interface TrainSettings {
	readonly grams: number;
	readonly width: number;
	readonly epochs: number;
	readonly rate: number;
	readonly anchors: number;
	readonly terms: number;
	/** Parts of the keys: what is tuned is tuned on each with a fit to the others. */
	readonly folds: number;
}

/** Sizes that keep the file of some 80 models under 1.5 MB. */
export const TRAIN: TrainSettings = {
	grams: 16_384,
	width: 32,
	epochs: 6,
	rate: 0.3,
	anchors: 4_000,
	terms: 32,
	folds: 3,
};

export interface Trained {
	readonly weights: Omit<Weights, "version">;
	/** The same, fitted without a part of the outcomes: each with those that it was not fitted on. */
	readonly folds: readonly Fold[];
}

export interface Fold {
	readonly weights: Omit<Weights, "version">;
	readonly outcomes: readonly Outcome[];
}

/** Weights from outcomes: fitted to all, with what is tuned on predictions for parts that they were not fitted to. Pure: the
 *  same outcomes and seed give the same bits. */
export function trainWeights(
	outcomes: readonly Outcome[],
	seed: number,
	settings: TrainSettings = TRAIN,
	say: (text: string) => void = () => {},
): Trained {
	const space = spaceOf(outcomes);
	const parts = foldsByKey(outcomes, settings.folds, "tune", seed).filter((part) => part.length > 0);
	if (parts.length < 2) throw new Error("There are too few outcomes to keep some for tuning.");
	const folds = parts.map((part, i) => {
		say(`fitting without part ${i + 1} of ${parts.length}`);
		const own = new Set(part);
		const most = outcomes.filter((outcome) => !own.has(outcome));
		return { outcomes: part, weights: fit(tableOf(most, space), space, seed, settings) };
	});
	say("tuning");
	const { thresholds, ...tuned } = tune(
		folds.map(({ weights, outcomes: part }) => ({ weights: { ...weights, version: "" }, table: tableOf(part, space) })),
		space,
	);
	say("fitting all");
	const all = fit(tableOf(outcomes, space), space, seed, settings);
	const complete = (fitted: typeof all) => ({ ...fitted, ...tuned, novelty: { ...fitted.novelty, thresholds } });
	return {
		weights: complete(all),
		folds: folds.map((fold) => ({ outcomes: fold.outcomes, weights: complete(fold.weights) })),
	};
}

/** Above every signal. */
const THRESHOLD_NONE = 1e30;

/** All that does not need prompts of its own. */
function fit(table: Table, space: Space, seed: number, settings: TrainSettings): Omit<Weights, "version"> {
	const random = randomOf(seed);
	const { models, domains, pools, poolOf } = space;
	const features = chooseGrams(table, domains.length, settings.grams);
	const grams = features.hashes.length;
	const vectors = vectorsOf(table.prompts, features);
	const { latent, domainHeads, modelHeads } = fitLatent(vectors, table, space, grams, settings, random);
	const anchors = chooseAnchors(
		vectors,
		table,
		space,
		grams,
		{ count: settings.anchors, terms: settings.terms },
		random,
	);
	return {
		models,
		domains,
		pools,
		poolOf,
		features,
		latent,
		domainHeads,
		temperature: 1,
		modelHeads,
		linear: fitLinear(vectors, table, space, grams),
		priors: fitPriors(table, space),
		lengthHeads: fitLength(vectors, table, space),
		anchors,
		blends: new Float32Array(pools.length * 2 * BLEND_COUNT),
		noise: new Float32Array(pools.length),
		novelty: {
			...fitCentroids(vectors, table, domains.length, latent),
			thresholds: new Float32Array(NOVELTY_SIGNALS.length).fill(THRESHOLD_NONE),
		},
	};
}
