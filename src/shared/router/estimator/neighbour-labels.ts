import { LABEL_STEPS, UNMEASURED, type Weights } from "../weights/weights.ts";
import type { Neighbours } from "./neighbours.ts";

/** So much similarity speaks for the prior, beside that of the neighbours. */
const PRIOR_SIMILARITY = 0.5;

/** What the neighbours of a prompt say of each model. */
export class NeighbourLabels {
	readonly #weights: Weights;
	/** By anchor: where its labels begin. */
	readonly #starts: Uint32Array;
	readonly #sums: Float64Array;
	readonly #similarity: Float64Array;

	constructor(weights: Weights) {
		this.#weights = weights;
		this.#starts = new Uint32Array(weights.anchors.pool.length);
		let at = 0;
		weights.anchors.pool.forEach((pool, anchor) => {
			this.#starts[anchor] = at;
			at += weights.pools[pool]!.models.length;
		});
		this.#sums = new Float64Array(weights.models.length);
		this.#similarity = new Float64Array(weights.models.length);
	}

	/** Mean quality of each model at the neighbours, by similarity, shrunk toward `prior`. */
	read(neighbours: Neighbours, prior: Float64Array, out: Float64Array): void {
		const sums = this.#sums.fill(0);
		const similarities = this.#similarity.fill(0);
		const { anchors, pools } = this.#weights;
		for (let i = 0; i < neighbours.count; i++) {
			const anchor = neighbours.nearest[i]!;
			const similarity = neighbours.similarities[i]!;
			const start = this.#starts[anchor]!;
			const { models } = pools[anchors.pool[anchor]!]!;
			for (let j = 0; j < models.length; j++) {
				const label = anchors.labels[start + j]!;
				if (label === UNMEASURED) continue;
				const model = models[j]!;
				sums[model]! += similarity * label;
				similarities[model]! += similarity;
			}
		}
		for (let model = 0; model < out.length; model++) {
			out[model] =
				(sums[model]! / LABEL_STEPS + PRIOR_SIMILARITY * prior[model]!) / (similarities[model]! + PRIOR_SIMILARITY);
		}
	}
}
