import { FeatureReader } from "../../../src/shared/router/features/features.ts";
import { applyHeads, embed } from "../../../src/shared/router/estimator/latent-space.ts";
import { sigmoid } from "../../../src/shared/router/estimator/probability.ts";
import { fitLatent } from "../../../src/shared/router/training/fit-latent.ts";
import { randomOf } from "../../../src/shared/router/training/random.ts";
import { vectorsOf } from "../../../src/shared/router/training/vectors.ts";
import { inputsOf } from "../../../src/shared/router/weights/layout.ts";
import { tableOfLessons } from "./simple.ts";
import type { Contender, Lessons } from "./contender.ts";

/** Matrix factorisation: the inner product of a model's vector with a linear map of the prompt's features, trained on the scores
 *  alone (RouteLLM's, with hashed tf-idf in the place of an embedding that has to be asked for). */
export function matrixFactorisation(lessons: Lessons): Contender {
	const { weights, seed, epochs } = lessons;
	const { space, table } = tableOfLessons(lessons);
	const vectors = vectorsOf(table.prompts, weights.features);
	// With one domain there is nothing to learn but the scores.
	const oneDomain = { ...space, domains: ["all"] };
	const settings = { width: weights.latent.width, epochs, rate: 0.3 };
	const { latent, modelHeads } = fitLatent(
		vectors,
		{ ...table, domain: new Int32Array(table.prompts.length) },
		oneDomain,
		weights.features.hashes.length,
		settings,
		randomOf(seed),
	);
	const reader = new FeatureReader(weights.features);
	const inputs = new Float64Array(inputsOf(weights.latent.width));
	return {
		title: "matrix factorisation",
		quality(prompt) {
			const logits = new Float64Array(weights.models.length);
			embed(latent, reader.read(prompt), inputs);
			applyHeads(modelHeads, inputs, logits.length, logits);
			return logits.map(sigmoid);
		},
	};
}
