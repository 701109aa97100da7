import { comparisonsOf, type Comparison } from "../../src/shared/router/comparisons.ts";
import { strengths } from "../../src/shared/router/plackett-luce.ts";
import { seeded } from "../../test/simulator/random.ts";

/** Scores of every model on every prompt, row by row; NaN where a model was not asked. */
export interface ScoreTable {
	readonly models: readonly string[];
	readonly prompts: number;
	readonly scores: Float64Array;
}

/** How well a ranking that sees only a part of the table agrees with the means of all of it: Kendall's tau, mean over draws. */
export interface Agreement {
	readonly mechanism: "random" | "routed";
	readonly missing: number;
	readonly mean: number;
	readonly lsr: number;
	readonly ilsr: number;
	/** Least and greatest of `ilsr` over the draws. */
	readonly ilsrRange: readonly [number, number];
	readonly draws: number;
}

/** Width of the band of difficulties that a model is asked, as a share of all prompts: with it the plain mean ranks the models of
 *  MMLU-Pro about as badly as the notes of routing say (tau 0.36 at 90 % missing). */
const BAND = 0.42;

/** Those rows of outcomes in which every model was scored: the ranking by means of the rest would depend on what was left out. */
export function completeTable(rows: readonly { readonly scores: Readonly<Record<string, number>> }[]): ScoreTable {
	const models = [...new Set(rows.flatMap(({ scores }) => Object.keys(scores)))].sort();
	const complete = rows.filter(({ scores }) => models.every((model) => scores[model] !== undefined));
	const scores = Float64Array.from(complete.flatMap((row) => models.map((model) => row.scores[model]!)));
	return { models, prompts: complete.length, scores };
}

/** Takes away `missing` of the table in each of `draws` seeded draws, at random or as a router would, and ranks the models by what
 *  is left. */
export function agreement(
	table: ScoreTable,
	mechanism: Agreement["mechanism"],
	missing: number,
	draws: number,
	seed: number,
): Agreement {
	const full = meansOf(table, null);
	const chances =
		mechanism === "random" ? chancesAtRandom(table, missing) : chancesAsRouted(table, missing, full, seed);
	const taus = Array.from({ length: draws }, (_, draw) => {
		const random = seeded(seed * 1_000 + draw);
		const kept = Uint8Array.from(chances, (chance) => (random() < chance ? 1 : 0));
		const comparisons = comparisonsIn(table, kept);
		const models = table.models.length;
		return {
			mean: kendallTau(full, meansOf(table, kept)),
			lsr: kendallTau(full, strengths(comparisons, models, 1)),
			ilsr: kendallTau(full, strengths(comparisons, models)),
		};
	});
	const average = (of: "mean" | "lsr" | "ilsr"): number => taus.reduce((sum, tau) => sum + tau[of], 0) / draws;
	const ilsr = taus.map((tau) => tau.ilsr);
	return {
		mechanism,
		missing,
		mean: average("mean"),
		lsr: average("lsr"),
		ilsr: average("ilsr"),
		ilsrRange: [Math.min(...ilsr), Math.max(...ilsr)],
		draws,
	};
}

/** Kendall's tau-b of two rankings of the same models. */
export function kendallTau(a: ArrayLike<number>, b: ArrayLike<number>): number {
	let agree = 0;
	let tiesA = 0;
	let tiesB = 0;
	let pairs = 0;
	for (let i = 0; i < a.length; i++) {
		for (let j = 0; j < i; j++) {
			const da = Math.sign(a[i]! - a[j]!);
			const db = Math.sign(b[i]! - b[j]!);
			agree += da * db;
			if (da === 0) tiesA++;
			if (db === 0) tiesB++;
			pairs++;
		}
	}
	return agree / Math.sqrt((pairs - tiesA) * (pairs - tiesB));
}

function chancesAtRandom({ scores }: ScoreTable, missing: number): Float64Array {
	return scores.map((score) => (Number.isNaN(score) ? 0 : 1 - missing));
}

/** Weak models see easy prompts, strong ones hard ones: a model is asked the prompts whose difficulty is near its place in the
 *  ranking, with a bell-shaped chance that is scaled until `missing` of the table is missing. */
function chancesAsRouted(table: ScoreTable, missing: number, full: Float64Array, seed: number): Float64Array {
	const models = table.models.length;
	const place = placesOf(full);
	const ease = easeOf(table, seeded(seed));
	const chance = table.scores.map((score, at) => {
		const distance = place[at % models]! - (1 - ease[Math.floor(at / models)]!);
		return Number.isNaN(score) ? 0 : Math.exp(-((distance / BAND) ** 2) / 2);
	});
	const scored = table.scores.reduce((sum, score) => sum + (Number.isNaN(score) ? 0 : 1), 0);
	let low = 0;
	let high = 1e3;
	for (let step = 0; step < 40; step++) {
		const scale = (low + high) / 2;
		const expected = chance.reduce((sum, each) => sum + Math.min(1, each * scale), 0);
		if (expected < (1 - missing) * scored) low = scale;
		else high = scale;
	}
	return chance.map((each) => Math.min(1, each * high));
}

/** 0 for the hardest prompt to 1 for the easiest; equals in a random order. */
function easeOf(table: ScoreTable, random: () => number): Float64Array {
	const models = table.models.length;
	const solved = Float64Array.from({ length: table.prompts }, (_, prompt) => {
		const row = table.scores.subarray(prompt * models, (prompt + 1) * models).filter((score) => !Number.isNaN(score));
		return row.reduce((sum, score) => sum + score, 0) / row.length + random() * 1e-6;
	});
	return placesOf(solved);
}

/** Place in the order of values, 0 for the least to 1 for the greatest. */
function placesOf(values: Float64Array): Float64Array {
	const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
	const places = new Float64Array(values.length);
	for (const [place, at] of order.entries()) places[at] = place / Math.max(1, values.length - 1);
	return places;
}

function meansOf({ models, scores }: ScoreTable, kept: Uint8Array | null): Float64Array {
	const sums = new Float64Array(models.length);
	const counts = new Float64Array(models.length);
	for (let at = 0; at < scores.length; at++) {
		if (Number.isNaN(scores[at]!) || kept?.[at] === 0) continue;
		sums[at % models.length]! += scores[at]!;
		counts[at % models.length]!++;
	}
	return sums.map((sum, m) => (counts[m] === 0 ? 0 : sum / counts[m]!));
}

function comparisonsIn({ models, prompts, scores }: ScoreTable, kept: Uint8Array): Comparison[] {
	const found: Comparison[] = [];
	const row = new Float64Array(models.length);
	for (let prompt = 0; prompt < prompts; prompt++) {
		for (let m = 0; m < models.length; m++) {
			const at = prompt * models.length + m;
			row[m] = kept[at] === 1 ? scores[at]! : Number.NaN;
		}
		found.push(...comparisonsOf(row));
	}
	return found;
}
