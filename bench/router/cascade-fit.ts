import { createEstimator } from "../../src/shared/router/estimator/estimator.ts";
import { cardName } from "../../src/shared/router/training/card-name.ts";
import type { Outcome } from "../../src/shared/router/training/outcome.ts";
import { trainWeights, type TrainSettings } from "../../src/shared/router/training/train.ts";
import { readWeights } from "../../src/shared/router/weights/read.ts";
import { writeWeights } from "../../src/shared/router/weights/write.ts";
import type { Fit } from "./cascades.ts";

const CHARS_PER_TOKEN = 4;

/** The estimate that ships, trained on these rows alone and read from the file that they make. */
export function estimatorFit(seed: number, settings: TrainSettings): Fit {
	return (rows, models) => {
		const outcomes = rows.map(({ key, prompt, domain, scores, out_chars: chars }): Outcome => ({
			key,
			prompt,
			domain,
			pool: "zeroeval",
			scores: new Map(models.map((model) => [cardName(model), scores[model] ?? 0])),
			outputTokens: new Map(models.map((model) => [cardName(model), (chars[model] ?? 0) / CHARS_PER_TOKEN])),
			usd: new Map(),
		}));
		const read = readWeights(writeWeights(trainWeights(outcomes, seed, settings).weights));
		if (!read.ok) throw new Error(`The weights cannot be read again: ${JSON.stringify(read.error)}`);
		const estimator = createEstimator(read.value);
		const index = new Map(models.map((model) => [model, estimator.models.indexOf(cardName(model))]));
		return (prompt, model) => {
			const { quality, outputTokens } = estimator.estimate(prompt);
			const at = index.get(model) ?? -1;
			return { quality: quality[at] ?? 0.5, outputTokens: outputTokens[at] ?? Number.NaN };
		};
	};
}
