import { calibration, argmax } from "../../src/shared/router/training/judge.ts";
import {
	meanUsd,
	play,
	playSingle,
	tryWeights,
	weightFor,
	weightForSaving,
	type Choice,
} from "../../src/shared/router/training/floors.ts";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import type { Weights } from "../../src/shared/router/weights/weights.ts";
import { median } from "../lib/statistics.ts";
import type { Contender } from "./contenders/contender.ts";
import { averageQuality, type Point } from "./hull.ts";
import type { Pool } from "./pools.ts";
import { sameTier } from "./same-tier.ts";
import { judgePairs, type StrongWeak } from "./strong-weak.ts";

/** Of the best single model's quality: what is to be kept. */
export const FLOORS = [1, 0.99, 0.97, 0.95] as const;
/** Of the best single model's cost: what is to be saved. Those of the targets. */
export const SAVINGS = [0.35, 0.6] as const;
const SWEEP = [0, ...Array.from({ length: 40 }, (_, i) => 10 ** (-2 + (i * 8) / 39))];
/** A model that fewer of the prompts have is none to choose. */
const MEASURED_MIN = 0.97;

export interface Judging {
	readonly pool: Pool;
	readonly dev: readonly Outcome[];
	readonly judged: readonly Outcome[];
	/** Ours, of all of `dev`: domains and models. */
	readonly weights: Weights;
	/** Of all prompts, by weights that have not learned from them: the same for all contenders. Null where floors are not
	 *  wanted. */
	readonly posteriors: ReadonlyMap<Outcome, Float64Array> | null;
	readonly seed: number;
	readonly quick: boolean;
}

/** Quality, and what is saved of the cost, relative to the best single model. */
export interface Relative {
	readonly quality: number;
	readonly saving: number;
}

/** A part of the development outcomes, with a contender that has not learned from it. */
export interface Tuning {
	readonly contender: Contender;
	readonly outcomes: readonly Outcome[];
}

export interface Figures extends StrongWeak {
	readonly title: string;
	/** Of the model that is thought best; of the best single one, chosen on development; of the best for each prompt. */
	readonly quality: number;
	readonly bestSingle: number;
	readonly oracle: number;
	readonly ece: number;
	readonly brier: number;
	/** By floor: quality and cost relative to the best single model. Empty without costs. */
	readonly floors: readonly ({ readonly floor: number } & Relative)[];
	/** By what is to be saved: the same. Empty without costs. */
	readonly savings: readonly ({ readonly wanted: number } & Relative)[];
	/** AIQ, and that of the single models. Null without costs. */
	readonly aiq: number | null;
	readonly singlesAiq: number | null;
	/** Share of prompts that keep their model when they are worded slightly differently. */
	readonly sameTier: number;
}

/** `tuning`: all of `dev`, part by part; null where floors are not wanted. */
export function judgeContender(all: Contender, tuning: readonly Tuning[] | null, judging: Judging): Figures {
	const { pool, judged, weights, dev } = judging;
	const estimates = judged.map(({ prompt }) => ({ quality: all.quality(prompt) }));
	const column = (model: string) => weights.models.indexOf(model);
	const pairs = judged.flatMap(({ scores }, i) => {
		const [strong, weak] = [scores.get(pool.strong), scores.get(pool.weak)];
		if (strong === undefined || weak === undefined) return [];
		const { quality } = estimates[i]!;
		return [{ score: quality[column(pool.strong)]! - quality[column(pool.weak)]!, strong, weak }];
	});
	const models = everywhere(weights.models, dev);
	const free = judged.map((outcome, i) => freeChoice(outcome, estimates[i]!.quality, models, column));
	const best = bestOn(dev, models);
	const chosen = play(free, 0).quality;
	return {
		title: all.title,
		...judgePairs(pairs),
		quality: chosen,
		bestSingle: playSingle(free, models.indexOf(best)).quality,
		oracle:
			free.reduce((sum, { score }) => sum + Math.max(...score.filter((each) => !Number.isNaN(each))), 0) / free.length,
		...calibration(weights.models, judged, estimates),
		...(tuning ? priced(estimates, tuning, judging) : UNPRICED),
		sameTier: sameTier(all, judging, median(pairs.map(({ score }) => score))),
	};
}

/** What the choice of the best one, at no price, needs to know. */
function freeChoice(
	{ scores }: Outcome,
	quality: Float64Array,
	models: readonly string[],
	column: (model: string) => number,
): Choice {
	const score = Float64Array.from(models, (model) => scores.get(model) ?? Number.NaN);
	const nothing = new Float64Array(models.length);
	return {
		quality: Float64Array.from(models, (model) => quality[column(model)]!),
		expectedUsd: nothing,
		score,
		usd: nothing,
	};
}

type Priced = Pick<Figures, "floors" | "savings" | "aiq" | "singlesAiq">;

const UNPRICED: Priced = { floors: [], savings: [], aiq: null, singlesAiq: null };

/** `estimates`: of what is judged. */
function priced(
	estimates: readonly { readonly quality: Float64Array }[],
	tuning: readonly Tuning[],
	{ dev, judged, weights, posteriors }: Judging,
): Priced {
	const models = everywhere(weights.models, dev).filter((model) => dev.some(({ usd }) => usd.has(model)));
	if (posteriors === null || models.length < 2) return UNPRICED;
	const costs = meanUsd(dev, weights.domains, models);
	const columns = models.map((model) => weights.models.indexOf(model));
	const choiceOf = (outcome: Outcome, quality: Float64Array): Choice => ({
		quality: Float64Array.from(columns, (column) => quality[column]!),
		expectedUsd: expectedUsd(posteriors.get(outcome)!, costs, models.length),
		...measured(outcome, models),
	});
	const hasPrice = ({ scores, usd }: Outcome) => models.some((model) => scores.has(model) && usd.has(model));
	const tuned = tuning.flatMap(({ contender, outcomes }) =>
		outcomes.filter(hasPrice).map((outcome) => choiceOf(outcome, contender.quality(outcome.prompt))),
	);
	const choices = judged.flatMap((outcome, i) => (hasPrice(outcome) ? [choiceOf(outcome, estimates[i]!.quality)] : []));
	const best = models.indexOf(bestOn(dev, models));
	const single = playSingle(choices, best);
	const relative = (weight: number): Relative => {
		const { quality, usd } = play(choices, weight);
		return { quality: quality / single.quality, saving: 1 - usd / single.usd };
	};
	const trials = tryWeights(tuned, best);
	const singles: Point[] = models.map((_, m) => playSingle(choices, m));
	const [from, to] = [Math.min(...singles.map(({ usd }) => usd)), Math.max(...singles.map(({ usd }) => usd))];
	return {
		floors: FLOORS.map((floor) => ({ floor, ...relative(weightFor(trials, floor)) })),
		savings: SAVINGS.map((wanted) => ({ wanted, ...relative(weightForSaving(trials, wanted)) })),
		aiq: averageQuality(
			SWEEP.map((weight) => play(choices, weight)),
			from,
			to,
		),
		singlesAiq: averageQuality(singles, from, to),
	};
}

function measured({ scores, usd }: Outcome, models: readonly string[]): Pick<Choice, "score" | "usd"> {
	const known = (model: string) => scores.has(model) && usd.has(model);
	return {
		score: Float64Array.from(models, (model) => (known(model) ? scores.get(model)! : Number.NaN)),
		usd: Float64Array.from(models, (model) => (known(model) ? usd.get(model)! : Number.NaN)),
	};
}

function expectedUsd(posterior: Float64Array, costs: Float64Array, models: number): Float64Array {
	const expected = new Float64Array(models);
	posterior.forEach((p, d) => {
		for (let m = 0; m < models; m++) expected[m]! += p * costs[d * models + m]!;
	});
	return expected;
}

/** Models that (nearly) all prompts were asked of. */
function everywhere(models: readonly string[], outcomes: readonly Outcome[]): string[] {
	return models.filter(
		(model) => outcomes.filter(({ scores }) => scores.has(model)).length >= MEASURED_MIN * outcomes.length,
	);
}

function bestOn(outcomes: readonly Outcome[], models: readonly string[]): string {
	const means = Float64Array.from(models, (model) => {
		const scores = outcomes.flatMap(({ scores: all }) => all.get(model) ?? []);
		return scores.reduce((sum, score) => sum + score, 0) / scores.length;
	});
	return models[argmax(means)]!;
}
