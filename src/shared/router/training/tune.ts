import { PartsReader, poolShares, type Parts } from "../estimator/estimator.ts";
import { blended, blendInputs, blendOf } from "../estimator/blend.ts";
import { logit, sigmoid, softmax } from "../estimator/probability.ts";
import { applyHeads } from "../estimator/latent-space.ts";
import { BLEND_COUNT, NOVELTY_SIGNALS, type Weights } from "../weights/weights.ts";
import { fitLogistic } from "./logistic.ts";
import type { Space, Table } from "./space.ts";

/** Of the prompts that were not trained on, this share is taken for new: divided evenly among the signals. */
const NEW_SHARE = 0.02;
const TEMPERATURES = Array.from({ length: 21 }, (_, i) => 0.5 * 1.1 ** i);
/** In (prompt, model): those of one prompt are far from independent. */
const RIDGE = 30;
/** Fewer prompts than this in a (domain, model) say nothing of the noise. */
const CELL_MIN = 25;

export type Tuned = Pick<Weights, "temperature" | "blends" | "noise"> & { readonly thresholds: Float32Array };

/** Prompts, and weights that were not fitted to them. */
export interface HeldOut {
	readonly weights: Weights;
	readonly table: Table;
}

/** A prompt's parts and what was measured there. */
interface Row {
	readonly parts: Parts;
	readonly pool: number;
	readonly domain: number;
	/** [M] */
	readonly scores: Float32Array;
}

/** What is chosen on prompts that weights were not fitted to: temperature, blends, noise and the thresholds of novelty. */
export function tune(held: readonly HeldOut[], space: Space): Tuned {
	const temperature = fitTemperature(held, space.domains.length);
	const rows = held.flatMap(({ weights, table }) => rowsOf({ ...weights, temperature }, table));
	const blends = new Float32Array(space.pools.length * 2 * BLEND_COUNT);
	space.pools.forEach((_, pool) => {
		const own = rows.filter((row) => row.pool === pool);
		for (const asked of [false, true]) blends.set(fitBlend(own, asked), (2 * pool + (asked ? 1 : 0)) * BLEND_COUNT);
	});
	return {
		temperature,
		blends,
		thresholds: thresholdsOf(rows),
		noise: noiseOf({ ...held[0]!.weights, blends }, rows, space),
	};
}

/** By least cross entropy of the domain (Guo et al. 2017). */
function fitTemperature(held: readonly HeldOut[], domains: number): number {
	const losses = new Float64Array(TEMPERATURES.length);
	const logits = new Float64Array(domains);
	for (const { weights, table } of held) {
		const reader = new PartsReader(weights);
		table.prompts.forEach((prompt, i) => {
			const { inputs } = reader.read(prompt, "never");
			TEMPERATURES.forEach((temperature, t) => {
				applyHeads(weights.domainHeads, inputs, domains, logits);
				softmax(logits, temperature);
				losses[t]! -= Math.log(Math.max(1e-9, logits[table.domain[i]!]!));
			});
		});
	}
	return TEMPERATURES[losses.indexOf(Math.min(...losses))]!;
}

function rowsOf(weights: Weights, { prompts, pool, domain, scores }: Table): Row[] {
	const reader = new PartsReader(weights);
	const models = weights.models.length;
	return prompts.map((prompt, i) => {
		const parts = reader.read(prompt, "always");
		const { quality, variance, measured, outputTokens } = parts.prior;
		return {
			parts: {
				...parts,
				inputs: new Float64Array(),
				prior: { quality: quality.slice(), variance: variance.slice(), measured: measured.slice(), outputTokens },
				heads: parts.heads.slice(),
				linear: parts.linear.slice(),
				neighbours: parts.neighbours.slice(),
			},
			pool: pool[i]!,
			domain: domain[i]!,
			scores: scores.subarray(i * models, (i + 1) * models),
		};
	});
}

/** One blend for all models of a pool, by logistic regression beside the prior's logit. */
function fitBlend(rows: readonly Row[], asked: boolean): Float64Array {
	const width = asked ? BLEND_COUNT : BLEND_COUNT - 1;
	const inputs: number[] = [];
	const targets: number[] = [];
	const offsets: number[] = [];
	const own = new Float64Array(BLEND_COUNT);
	for (const { parts, scores } of rows) {
		for (let m = 0; m < scores.length; m++) {
			const score = scores[m]!;
			if (Number.isNaN(score)) continue;
			blendInputs(parts, m, own);
			// The neighbours are the last.
			for (let i = 0; i < width; i++) inputs.push(own[i]!);
			targets.push(score);
			offsets.push(logit(parts.prior.quality[m]!));
		}
	}
	const fitted = fitLogistic(
		Float64Array.from(inputs),
		width,
		Float64Array.from(targets),
		Float64Array.from(offsets),
		RIDGE,
	);
	const blend = new Float64Array(BLEND_COUNT);
	blend.set(fitted);
	return blend;
}

/** Above its threshold is the same share of prompts for each signal. */
function thresholdsOf(rows: readonly Row[]): Float32Array {
	const share = 1 - NEW_SHARE / NOVELTY_SIGNALS.length;
	return Float32Array.from(NOVELTY_SIGNALS, (_, signal) => {
		const values = rows.map(({ parts }) => parts.signals[signal] ?? 0).sort((a, b) => a - b);
		return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 1;
	});
}

/** How far the mean estimate of a (domain, model) is from the mean score, beyond what chance makes of that. */
function noiseOf(weights: Weights, rows: readonly Row[], space: Space): Float32Array {
	const models = space.models.length;
	const size = models * space.domains.length;
	const [n, off, chance] = [0, 1, 2].map(() => new Float64Array(size)) as [Float64Array, Float64Array, Float64Array];
	const shares = new Float64Array(space.pools.length);
	const blend = new Float64Array(BLEND_COUNT);
	for (const { parts, domain, scores } of rows) {
		poolShares(weights, parts.posterior, shares);
		blendOf(weights.blends, shares, true, blend);
		for (let m = 0; m < models; m++) {
			const score = scores[m]!;
			if (Number.isNaN(score)) continue;
			const q = sigmoid(blended(blend, parts, m));
			const cell = m * space.domains.length + domain;
			n[cell]!++;
			off[cell]! += score - q;
			chance[cell]! += q * (1 - q);
		}
	}
	return Float32Array.from(space.pools, (_, pool) => {
		let sum = 0;
		let cells = 0;
		for (let cell = 0; cell < size; cell++) {
			if (space.poolOf[cell % space.domains.length] !== pool || n[cell]! < CELL_MIN) continue;
			sum += (off[cell]! / n[cell]!) ** 2 - chance[cell]! / n[cell]! ** 2;
			cells++;
		}
		return cells > 0 ? Math.sqrt(Math.max(0, sum / cells)) : 0;
	});
}
