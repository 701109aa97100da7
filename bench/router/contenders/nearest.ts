import { FeatureReader } from "../../../src/shared/router/features/features.ts";
import { Neighbours } from "../../../src/shared/router/estimator/neighbours.ts";
import { anchorTerms } from "../../../src/shared/router/training/choose-anchors.ts";
import { vectorsOf } from "../../../src/shared/router/training/vectors.ts";
import { meanScores } from "./simple.ts";
import type { Contender, Lessons } from "./contender.ts";

/** Grams kept of each training prompt. */
const TERMS = 64;
/** Similarity that speaks for the mean score of a model. */
const SHRINK = 0.5;

/** All training prompts by their heaviest grams. */
export class Nearest {
	readonly found: Neighbours;
	readonly #reader: FeatureReader;

	constructor(prompts: readonly string[], { weights }: Pick<Lessons, "weights">) {
		const vectors = vectorsOf(prompts, weights.features);
		const terms = anchorTerms(
			vectors,
			prompts.map((_, i) => i),
			TERMS,
		);
		const pool = new Uint8Array(prompts.length);
		this.found = new Neighbours({ terms: TERMS, ...terms, pool, labels: pool }, weights.features.hashes.length);
		this.#reader = new FeatureReader(weights.features);
	}

	/** The greatest cosine. */
	find(prompt: string): number {
		return this.found.find(this.#reader.read(prompt));
	}
}

/** k nearest neighbours by cosine of hashed tf-idf among all training prompts; their mean score by similarity. */
export function nearestNeighbours(lessons: Lessons): Contender {
	const { outcomes, weights } = lessons;
	const index = new Nearest(
		outcomes.map(({ prompt }) => prompt),
		lessons,
	);
	const means = meanScores(lessons);
	return {
		title: "kNN",
		quality(prompt) {
			index.find(prompt);
			const { nearest, similarities, count } = index.found;
			return Float64Array.from(weights.models, (model, m) => {
				let sum = SHRINK * means[m]!;
				let weight = SHRINK;
				for (let k = 0; k < count; k++) {
					const score = outcomes[nearest[k]!]!.scores.get(model);
					if (score === undefined) continue;
					sum += similarities[k]! * score;
					weight += similarities[k]!;
				}
				return sum / weight;
			});
		},
	};
}
