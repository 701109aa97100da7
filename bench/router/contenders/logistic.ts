import { DENSE_COUNT } from "../../../src/shared/router/features/dense.ts";
import { FeatureReader } from "../../../src/shared/router/features/features.ts";
import { logit, sigmoid } from "../../../src/shared/router/estimator/probability.ts";
import { randomOf, shuffle } from "../../../src/shared/router/training/random.ts";
import { vectorsOf, type Vectors } from "../../../src/shared/router/training/vectors.ts";
import { meanScores, tableOfLessons } from "./simple.ts";
import type { Contender, Lessons } from "./contender.ts";

const RATE = 0.15;

/** Logistic regression for each model on the hashed tf-idf and the dense features, by AdaGrad. */
export function logisticRegression(lessons: Lessons): Contender {
	const { weights } = lessons;
	const models = weights.models.length;
	const { rows, dense } = fit(lessons);
	const reader = new FeatureReader(weights.features);
	return {
		title: "logistic regression",
		quality(prompt) {
			const features = reader.read(prompt);
			const sums = Float64Array.from(weights.models, (_, m) => dense[DENSE_COUNT * models + m]!);
			for (let i = 0; i < features.count; i++) {
				const at = features.rows[i]! * models;
				for (let m = 0; m < models; m++) sums[m]! += features.values[i]! * rows[at + m]!;
			}
			for (let k = 0; k < DENSE_COUNT; k++) {
				for (let m = 0; m < models; m++) sums[m]! += features.dense[k]! * dense[k * models + m]!;
			}
			return sums.map(sigmoid);
		},
	};
}

function fit(lessons: Lessons) {
	const { weights, seed, epochs } = lessons;
	const { table } = tableOfLessons(lessons);
	const models = weights.models.length;
	const vectors = vectorsOf(table.prompts, weights.features);
	const rows = new Float32Array(weights.features.hashes.length * models);
	const rowSquares = new Float32Array(rows.length).fill(1e-2);
	const dense = new Float32Array((DENSE_COUNT + 1) * models);
	const denseSquares = new Float32Array(dense.length).fill(1);
	meanScores(lessons).forEach((mean, m) => (dense[DENSE_COUNT * models + m] = logit(mean)));
	const random = randomOf(seed);
	const order = Int32Array.from(table.prompts, (_, i) => i);
	const errors = new Float64Array(models);
	for (let epoch = 0; epoch < epochs; epoch++) {
		const rate = RATE * (1 - epoch / epochs);
		for (const i of shuffle(order, random)) {
			predict(vectors, i, models, rows, dense, errors);
			for (let m = 0; m < models; m++) {
				const score = table.scores[i * models + m]!;
				errors[m] = Number.isNaN(score) ? 0 : sigmoid(errors[m]!) - score;
			}
			step(vectors, i, errors, rate, { rows, rowSquares, dense, denseSquares });
		}
	}
	return { rows, dense };
}

function predict(
	{ starts, rows, values, dense }: Vectors,
	i: number,
	models: number,
	rowHeads: Float32Array,
	denseHeads: Float32Array,
	out: Float64Array,
): void {
	for (let m = 0; m < models; m++) out[m] = denseHeads[DENSE_COUNT * models + m]!;
	for (let at = starts[i]!; at < starts[i + 1]!; at++) {
		const row = rows[at]! * models;
		for (let m = 0; m < models; m++) out[m]! += values[at]! * rowHeads[row + m]!;
	}
	for (let k = 0; k < DENSE_COUNT; k++) {
		for (let m = 0; m < models; m++) out[m]! += dense[i * DENSE_COUNT + k]! * denseHeads[k * models + m]!;
	}
}

interface Heads {
	readonly rows: Float32Array;
	readonly rowSquares: Float32Array;
	readonly dense: Float32Array;
	readonly denseSquares: Float32Array;
}

function step(
	{ starts, rows, values, dense }: Vectors,
	i: number,
	errors: Float64Array,
	rate: number,
	heads: Heads,
): void {
	const models = errors.length;
	const move = (head: Float32Array, squares: Float32Array, at: number, value: number): void => {
		for (let m = 0; m < models; m++) {
			const gradient = errors[m]! * value;
			squares[at + m]! += gradient * gradient;
			head[at + m]! -= (rate * gradient) / Math.sqrt(squares[at + m]!);
		}
	};
	for (let at = starts[i]!; at < starts[i + 1]!; at++)
		move(heads.rows, heads.rowSquares, rows[at]! * models, values[at]!);
	for (let k = 0; k < DENSE_COUNT; k++) move(heads.dense, heads.denseSquares, k * models, dense[i * DENSE_COUNT + k]!);
	move(heads.dense, heads.denseSquares, DENSE_COUNT * models, 1);
}
