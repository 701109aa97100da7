import { LOG_CHARS } from "../../../src/shared/router/features/dense.ts";
import { FeatureReader } from "../../../src/shared/router/features/features.ts";
import { PartsReader } from "../../../src/shared/router/estimator/estimator.ts";
import { sigmoid } from "../../../src/shared/router/estimator/probability.ts";
import { randomOf } from "../../../src/shared/router/training/random.ts";
import { spaceOf, tableOf } from "../../../src/shared/router/training/space.ts";
import type { Contender, Lessons } from "./contender.ts";

/** Each model as likely as another. */
export function random({ weights, seed }: Lessons): Contender {
	const next = randomOf(seed);
	return { title: "random", quality: () => Float64Array.from(weights.models, next) };
}

/** What the length of a prompt alone says, by logistic regression for each model. */
export function lengthOnly({ weights }: Lessons): Contender {
	const reader = new FeatureReader(weights.features);
	const { lengthHeads } = weights;
	return {
		title: "length only",
		quality(prompt) {
			const { dense } = reader.read(prompt);
			return Float64Array.from(weights.models, (_, m) =>
				sigmoid(lengthHeads[2 * m]! + lengthHeads[2 * m + 1]! * dense[LOG_CHARS]!),
			);
		},
	};
}

/** The mean score of each model, whatever the prompt. */
export function bestSingleModel(lessons: Lessons): Contender {
	const means = meanScores(lessons);
	return { title: "best single model", quality: () => means.slice() };
}

/** The priors of the domains that our classifier sees, and nothing else. */
export function domainPrior({ weights }: Lessons): Contender {
	const parts = new PartsReader(weights);
	return { title: "domain prior", quality: (prompt) => parts.read(prompt, "never").prior.quality.slice() };
}

export function meanScores({ outcomes, weights }: Lessons): Float64Array {
	return Float64Array.from(weights.models, (model) => {
		const scores = outcomes.flatMap((outcome) => outcome.scores.get(model) ?? []);
		return scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
	});
}

export function tableOfLessons({ outcomes }: Lessons) {
	const space = spaceOf(outcomes);
	return { space, table: tableOf(outcomes, space) };
}
