import { BLEND_COUNT, NOVELTY_SIGNALS, type Weights } from "../weights/weights.ts";
import { chooseAnchors } from "./choose-anchors.ts";
import { chooseGrams } from "./choose-grams.ts";
import { fitCentroids } from "./fit-centroids.ts";
import { fitLatent } from "./fit-latent.ts";
import { fitLength } from "./fit-length.ts";
import { fitPriors } from "./fit-priors.ts";
import type { Outcome } from "./outcome.ts";
import { randomOf } from "./random.ts";
import { spaceOf, tableOf, type Space, type Table } from "./space.ts";
import { splitByKey } from "./split.ts";
import { tune } from "./tune.ts";
import { vectorsOf } from "./vectors.ts";

export interface TrainSettings {
	readonly grams: number;
	readonly width: number;
	readonly epochs: number;
	readonly rate: number;
	readonly anchors: number;
	readonly terms: number;
	/** Of the keys, for what is tuned. */
	readonly tuneShare: number;
}

/** Sizes that keep the file of some 80 models under 1.5 MB. */
export const TRAIN: TrainSettings = {
	grams: 16_384,
	width: 32,
	epochs: 6,
	rate: 0.3,
	anchors: 4_000,
	terms: 32,
	tuneShare: 0.2,
};

export interface Trained {
	readonly weights: Omit<Weights, "version">;
	/** As they were before the last fit: `outcomes` are those that they were tuned and not fitted on. */
	readonly tuned: { readonly weights: Omit<Weights, "version">; readonly outcomes: readonly Outcome[] };
}

/** Weights from outcomes: fitted on most of them, tuned on the others, then fitted anew on all. Pure: the same outcomes and
 *  seed give the same bits. */
export function trainWeights(
	outcomes: readonly Outcome[],
	seed: number,
	settings: TrainSettings = TRAIN,
	say: (text: string) => void = () => {},
): Trained {
	const space = spaceOf(outcomes);
	const [most, others] = splitByKey(outcomes, settings.tuneShare, "tune", seed);
	if (most.length === 0 || others.length === 0) throw new Error("There are too few outcomes to keep some for tuning.");
	say("fitting most");
	const first = fit(tableOf(most, space), space, seed, settings);
	say("tuning");
	const { thresholds, ...tuned } = tune({ ...first, version: "" }, tableOf(others, space), space);
	say("fitting all");
	const all = fit(tableOf(outcomes, space), space, seed, settings);
	const complete = (fitted: typeof all) => ({ ...fitted, ...tuned, novelty: { ...fitted.novelty, thresholds } });
	return { weights: complete(all), tuned: { weights: complete(first), outcomes: others } };
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
