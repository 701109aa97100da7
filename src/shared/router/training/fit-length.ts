import { DENSE_COUNT, LOG_CHARS } from "../features/dense.ts";
import { logit } from "../estimator/probability.ts";
import { fitLogistic } from "./logistic.ts";
import type { Space, Table } from "./space.ts";
import type { Vectors } from "./vectors.ts";

/** Strong enough that a model that was measured on prompts of one length is not extrapolated from them. */
const RIDGE = 50;

/** What the length of a prompt alone says of each model: intercept and slope of the logit, [M x 2]. */
export function fitLength(vectors: Vectors, { scores, prompts }: Table, { models }: Space): Float32Array {
	const heads = new Float32Array(2 * models.length);
	for (let m = 0; m < models.length; m++) {
		const rows = prompts.map((_, i) => i).filter((i) => !Number.isNaN(scores[i * models.length + m]));
		const targets = Float64Array.from(rows, (i) => scores[i * models.length + m]!);
		const mean = (targets.reduce((a, b) => a + b, 0) + 0.5) / (rows.length + 1);
		const inputs = new Float64Array(2 * rows.length);
		rows.forEach((i, n) => {
			inputs[2 * n] = 1;
			inputs[2 * n + 1] = vectors.dense[i * DENSE_COUNT + LOG_CHARS]!;
		});
		const level = logit(mean);
		const [intercept, slope] = fitLogistic(inputs, 2, targets, new Float64Array(rows.length).fill(level), RIDGE);
		heads[2 * m] = level + intercept!;
		heads[2 * m + 1] = slope!;
	}
	return heads;
}
