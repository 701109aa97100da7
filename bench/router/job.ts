import { createEstimator, PartsReader } from "../../src/shared/router/estimator/estimator.ts";
import type { PromptEstimate } from "../../src/shared/router/prompt-estimate.ts";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import { randomOf, shuffle } from "../../src/shared/router/training/random.ts";
import { TRAIN, trainWeights } from "../../src/shared/router/training/train.ts";
import { readWeights } from "../../src/shared/router/weights/read.ts";
import { writeWeights } from "../../src/shared/router/weights/write.ts";
import type { Weights } from "../../src/shared/router/weights/weights.ts";
import type { Contender, Lessons } from "./contenders/contender.ts";
import { matrixFactorisation } from "./contenders/factorisation.ts";
import { logisticRegression } from "./contenders/logistic.ts";
import { Nearest, nearestNeighbours } from "./contenders/nearest.ts";
import { bestSingleModel, domainPrior, lengthOnly, random } from "./contenders/simple.ts";
import { readSides, type Source } from "./data.ts";
import { measureDecisions, type Decisions } from "./decisions.ts";
import { judgeContender, type Figures, type Judging } from "./figures.ts";
import { judgeNew, type OutOfDomain } from "./out-of-domain.ts";
import { ofPool, POOLS, type Pool } from "./pools.ts";

export interface Job extends Source {
	readonly pool: string;
	/** Of the draw of labels, where there are fewer than all. */
	readonly draw: number;
}

export interface PoolFindings {
	readonly pool: string;
	readonly learned: number;
	readonly judged: number;
	readonly figures: readonly Figures[];
	/** APGR of ours on prompts without a training neighbour above `DUPLICATE`, and how many those are. */
	readonly dedup: { readonly apgr: number; readonly prompts: number } | null;
	readonly outside: OutOfDomain | null;
	readonly decisions: Decisions;
	readonly bytes: number;
}

const DUPLICATE = 0.5;
const QUICK = { epochs: 3, folds: 2 } as const;
/** The pool in which everything is judged that needs one of MMLU. */
const MMLU = "mmlu";

const CONTENDERS = [
	random,
	lengthOnly,
	bestSingleModel,
	domainPrior,
	nearestNeighbours,
	logisticRegression,
	matrixFactorisation,
];

export async function playJob(job: Job): Promise<PoolFindings> {
	const pool = POOLS.find(({ id }) => id === job.pool)!;
	const sides = await readSides(pool.file, job);
	const dev = drawn(ofPool(pool, sides.dev), pool, job);
	const judged = ofPool(pool, sides.judged);
	const settings = job.quick ? { ...TRAIN, ...QUICK } : TRAIN;
	const { weights: fitted, folds } = trainWeights(dev, job.seed, settings);
	const bytes = writeWeights(fitted);
	const weights = reread(bytes);
	const common = { seed: job.seed, epochs: settings.epochs };
	const all: Lessons = { ...common, outcomes: dev, weights };
	const parts = folds.map((fold) => {
		const own = new Set(fold.outcomes);
		const outcomes = dev.filter((outcome) => !own.has(outcome));
		return { lessons: { ...common, outcomes, weights: reread(writeWeights(fold.weights)) }, outcomes: fold.outcomes };
	});
	const posteriors = hasCosts(dev)
		? posteriorsOf([
				...parts.map(({ lessons, outcomes }) => ({ weights: lessons.weights, outcomes })),
				{ weights, outcomes: judged },
			])
		: null;
	const judging: Judging = { pool, dev, judged, weights, posteriors, seed: job.seed, quick: job.quick };
	const figures = [ours, ...CONTENDERS].map((make) => {
		const tuning = posteriors && parts.map(({ lessons, outcomes }) => ({ contender: make(lessons), outcomes }));
		return judgeContender(make(all), tuning, judging);
	});
	return {
		pool: pool.id,
		learned: dev.length,
		judged: judged.length,
		figures,
		dedup: pool.id === MMLU ? judgeDedup(pool, all, judging) : null,
		outside: pool.id === MMLU ? judgeNew(pool, weights, judged, [...sides.dev, ...sides.judged]) : null,
		decisions: measureDecisions(weights, judged, job.quick),
		bytes: bytes.byteLength,
	};
}

/** Else no floor is judged, and nothing need be tuned for one. */
function hasCosts(outcomes: readonly Outcome[]): boolean {
	return outcomes.some(({ usd }) => usd.size > 0);
}

function posteriorsOf(parts: readonly { readonly weights: Weights; readonly outcomes: readonly Outcome[] }[]) {
	const posteriors = new Map<Outcome, Float64Array>();
	for (const { weights, outcomes } of parts) {
		const reader = new PartsReader(weights);
		for (const outcome of outcomes) posteriors.set(outcome, reader.read(outcome.prompt, "never").posterior);
	}
	return posteriors;
}

/** Ours, as it ships. */
export function ours({ weights }: Lessons): Contender & { estimate(prompt: string): PromptEstimate } {
	const estimator = createEstimator(weights);
	return {
		title: "Isobar",
		quality: (prompt) => estimator.estimate(prompt).quality,
		estimate: (prompt) => estimator.estimate(prompt),
	};
}

function judgeDedup(pool: Pool, lessons: Lessons, judging: Judging): PoolFindings["dedup"] {
	const index = new Nearest(
		lessons.outcomes.map(({ prompt }) => prompt),
		lessons,
	);
	const judged = judging.judged.filter(({ prompt }) => index.find(prompt) <= DUPLICATE);
	const { apgr } = judgeContender(ours(lessons), null, { ...judging, judged });
	return { apgr, prompts: judged.length };
}

function drawn(outcomes: Outcome[], { labels }: Pool, { seed, draw }: Job): Outcome[] {
	if (labels === null || outcomes.length <= labels) return outcomes;
	const order = shuffle(
		outcomes.map((_, i) => i),
		randomOf(seed + 1_000 * draw),
	);
	return order.slice(0, labels).map((i) => outcomes[i]!);
}

function reread(bytes: Uint8Array): Weights {
	const read = readWeights(bytes);
	if (!read.ok) throw new Error(`The weights cannot be read again: ${JSON.stringify(read.error)}`);
	return read.value;
}
