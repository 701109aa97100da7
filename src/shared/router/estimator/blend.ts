import { BLEND_COUNT } from "../weights/weights.ts";
import type { Parts } from "./estimator.ts";
import type { DomainPrior } from "./prior.ts";
import { logit } from "./probability.ts";

/** A head that is surer than this was taken in by a prompt like none in training. */
const HEAD_MAX = 7;

/** The blend of a prompt that is of each pool with the probability `shares`. */
export function blendOf(blends: Float32Array, shares: Float64Array, asked: boolean, out: Float64Array): void {
	out.fill(0);
	for (let pool = 0; pool < shares.length; pool++) {
		const at = (2 * pool + (asked ? 1 : 0)) * BLEND_COUNT;
		for (let i = 0; i < BLEND_COUNT; i++) out[i]! += shares[pool]! * blends[at + i]!;
	}
}

/** What the linear part says beyond the prior of all models together, in the logit: the mean, by the probability that they were
 *  measured. */
export function linearLevel({ quality, measured }: DomainPrior, linear: Float64Array): number {
	let [sum, weight] = [0, 0];
	for (let m = 0; m < linear.length; m++) {
		sum += measured[m]! * (logit(linear[m]!) - logit(quality[m]!));
		weight += measured[m]!;
	}
	return weight > 0 ? sum / weight : 0;
}

/** What is added to the logit of the prior, each by its weight of the blend: a one, that logit itself, and what the head, the linear
 *  part (of all models, then of this one beside them) and the neighbours say beyond it; all times the probability that the
 *  prompt is of a domain where the model was measured, since only there do they know anything of it. */
export function blendInputs(
	{ prior, heads, linear, level, neighbours }: Parts,
	model: number,
	out: Float64Array,
): void {
	const base = logit(prior.quality[model]!);
	const measured = prior.measured[model]!;
	const head = Math.min(HEAD_MAX, Math.max(-HEAD_MAX, heads[model]!));
	out[0] = measured;
	out[1] = measured * base;
	out[2] = measured * (head - base);
	out[3] = measured * level;
	out[4] = measured * (logit(linear[model]!) - base - level);
	out[5] = measured * (logit(neighbours[model]!) - base);
}

const inputs = new Float64Array(BLEND_COUNT);

/** Logit of a model's quality. */
export function blended(blend: Float64Array, parts: Parts, model: number): number {
	blendInputs(parts, model, inputs);
	let sum = logit(parts.prior.quality[model]!);
	for (let i = 0; i < BLEND_COUNT; i++) sum += blend[i]! * inputs[i]!;
	return sum;
}
