import { PartsReader, poolShares, type Parts } from "../estimator/estimator.ts";
import { blended, blendOf } from "../estimator/blend.ts";
import { logit, sigmoid, softmax } from "../estimator/probability.ts";
import { applyHeads } from "../estimator/latent-space.ts";
import { BLEND_COUNT, NOVELTY_SIGNALS, type Weights } from "../weights/weights.ts";
import { fitLogistic } from "./logistic.ts";
import type { Space, Table } from "./space.ts";

/** Of the prompts that were not trained on, this share is taken for new: divided evenly among the signals. */
const NEW_SHARE = 0.05;
const TEMPERATURES = Array.from({ length: 21 }, (_, i) => 0.6 * 1.08 ** i);
/** In (prompt, model): those of one prompt are far from independent. */
const RIDGE = 30;
/** Fewer prompts than this in a (domain, model) say nothing of the noise. */
const CELL_MIN = 25;

export type Tuned = Pick<Weights, "temperature" | "blends" | "noise"> & { readonly thresholds: Float32Array };

/** What is chosen on prompts that `weights` were not trained on: temperature, blends, noise and the thresholds of novelty. */
export function tune(weights: Weights, table: Table, space: Space): Tuned {
	const temperature = fitTemperature(weights, table);
	const cooled = { ...weights, temperature };
	const parts = partsOf(cooled, table);
	const blends = new Float32Array(space.pools.length * 2 * BLEND_COUNT);
	space.pools.forEach((_, pool) => {
		for (const asked of [false, true]) {
			const blend = fitBlend(parts, table, space, pool, asked);
			blends.set(blend, (2 * pool + (asked ? 1 : 0)) * BLEND_COUNT);
		}
	});
	return {
		temperature,
		blends,
		thresholds: thresholdsOf(parts),
		noise: noiseOf({ ...cooled, blends }, parts, table, space),
	};
}

/** By least cross entropy of the domain (Guo et al. 2017). */
function fitTemperature(weights: Weights, { prompts, domain }: Table): number {
	const reader = new PartsReader(weights);
	const losses = new Float64Array(TEMPERATURES.length);
	const logits = new Float64Array(weights.domains.length);
	prompts.forEach((prompt, i) => {
		const { inputs } = reader.read(prompt, "never");
		TEMPERATURES.forEach((temperature, t) => {
			applyHeads(weights.domainHeads, inputs, logits.length, logits);
			softmax(logits, temperature);
			losses[t]! -= Math.log(Math.max(1e-9, logits[domain[i]!]!));
		});
	});
	return TEMPERATURES[losses.indexOf(Math.min(...losses))]!;
}

function partsOf(weights: Weights, { prompts }: Table): Parts[] {
	const reader = new PartsReader(weights);
	return prompts.map((prompt) => {
		const parts = reader.read(prompt, "always");
		const { quality, variance, measured, outputTokens } = parts.prior;
		return {
			...parts,
			inputs: new Float64Array(),
			prior: { quality: quality.slice(), variance: variance.slice(), measured: measured.slice(), outputTokens },
			heads: parts.heads.slice(),
			neighbours: parts.neighbours.slice(),
		};
	});
}

/** One blend for all models of a pool, by logistic regression beside the prior's logit. */
function fitBlend(parts: readonly Parts[], table: Table, space: Space, pool: number, asked: boolean): Float64Array {
	const width = asked ? BLEND_COUNT : BLEND_COUNT - 1;
	const inputs: number[] = [];
	const targets: number[] = [];
	const offsets: number[] = [];
	const models = space.models.length;
	parts.forEach(({ prior, heads, neighbours }, i) => {
		if (table.pool[i] !== pool) return;
		for (let m = 0; m < models; m++) {
			const score = table.scores[i * models + m]!;
			if (Number.isNaN(score)) continue;
			const base = logit(prior.quality[m]!);
			const measured = prior.measured[m]!;
			const head = Math.min(7, Math.max(-7, heads[m]!));
			inputs.push(measured, measured * base, measured * (head - base));
			if (asked) inputs.push(measured * (logit(neighbours[m]!) - base));
			targets.push(score);
			offsets.push(base);
		}
	});
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
function thresholdsOf(parts: readonly Parts[]): Float32Array {
	const share = 1 - NEW_SHARE / NOVELTY_SIGNALS.length;
	return Float32Array.from(NOVELTY_SIGNALS, (_, signal) => {
		const values = parts.map(({ signals }) => signals[signal] ?? 0).sort((a, b) => a - b);
		return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 1;
	});
}

/** How far the mean estimate of a (domain, model) is from the mean score, beyond what chance makes of that. */
function noiseOf(weights: Weights, parts: readonly Parts[], table: Table, space: Space): Float32Array {
	const models = space.models.length;
	const size = models * space.domains.length;
	const [n, off, chance] = [0, 1, 2].map(() => new Float64Array(size)) as [Float64Array, Float64Array, Float64Array];
	const shares = new Float64Array(space.pools.length);
	const blend = new Float64Array(BLEND_COUNT);
	parts.forEach(({ posterior, prior, heads, neighbours }, i) => {
		poolShares(weights, posterior, shares);
		blendOf(weights.blends, shares, true, blend);
		for (let m = 0; m < models; m++) {
			const score = table.scores[i * models + m]!;
			if (Number.isNaN(score)) continue;
			const q = sigmoid(blended(blend, prior.quality[m]!, heads[m]!, neighbours[m]!, prior.measured[m]!));
			const cell = m * space.domains.length + table.domain[i]!;
			n[cell]!++;
			off[cell]! += score - q;
			chance[cell]! += q * (1 - q);
		}
	});
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
