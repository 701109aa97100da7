import { logit } from "./probability.ts";
import { BLEND_COUNT } from "../weights/weights.ts";

/** How the parts of an estimate are added up: its logit is the prior's plus
 *  `constant + scale * prior + head * (head - prior) + neighbours * (neighbours - prior)`, all logits. */
export type Blend = readonly [constant: number, scale: number, head: number, neighbours: number];

/** The blend of a prompt that is of each pool with the probability `shares`. */
export function blendOf(blends: Float32Array, shares: Float64Array, asked: boolean, out: Float64Array): void {
	out.fill(0);
	for (let pool = 0; pool < shares.length; pool++) {
		const at = (2 * pool + (asked ? 1 : 0)) * BLEND_COUNT;
		for (let i = 0; i < BLEND_COUNT; i++) out[i]! += shares[pool]! * blends[at + i]!;
	}
}

/** Logit of the quality. `measured`: probability that the prompt is of a domain where the model was; only there do the
 *  head and the neighbours know anything of it. */
export function blended(
	blend: Float64Array,
	prior: number,
	headLogit: number,
	neighbours: number,
	measured: number,
): number {
	const base = logit(prior);
	const head = Math.min(7, Math.max(-7, headLogit));
	return (
		base +
		measured * (blend[0]! + blend[1]! * base + blend[2]! * (head - base) + blend[3]! * (logit(neighbours) - base))
	);
}
