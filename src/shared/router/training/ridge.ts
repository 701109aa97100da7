import { DENSE_COUNT } from "../features/dense.ts";
import { DENSE_WEIGHT } from "../estimator/latent-space.ts";
import type { Table } from "./space.ts";
import type { Vectors } from "./vectors.ts";

/** Prompts' worth of pull toward zero. */
const PULL = 15;
/** More steps of the conjugate gradients change no ranking; to stop early pulls toward zero as well. */
const STEPS = 6;

/** Ridge regression of each model's scores, less their mean, on the grams (unit length) and the dense features: coefficients
 *  [(V + DENSE_COUNT) x M]. By conjugate gradients (Hestenes and Stiefel 1952) for all models at once, each on the
 *  prompts where it was measured. */
export function fitRidge(
	vectors: Vectors,
	{ scores }: Table,
	means: Float64Array,
	models: number,
	grams: number,
): Float32Array {
	const design = new Design(vectors, scores, models, grams);
	const solution = new Float32Array((grams + DENSE_COUNT) * models);
	const residual = design.transposed((at, m) => scores[at]! - means[m]!);
	const direction = residual.slice();
	let squares = columnProducts(residual, residual, models);
	for (let step = 0; step < STEPS; step++) {
		const applied = design.squared(direction);
		for (let i = 0; i < applied.length; i++) applied[i]! += PULL * direction[i]!;
		const curvature = columnProducts(direction, applied, models);
		const length = squares.map((square, m) => square / Math.max(1e-12, curvature[m]!));
		for (let i = 0, m = 0; i < solution.length; i++, m = m + 1 === models ? 0 : m + 1) {
			solution[i]! += length[m]! * direction[i]!;
			residual[i]! -= length[m]! * applied[i]!;
		}
		const next = columnProducts(residual, residual, models);
		const kept = next.map((square, m) => square / Math.max(1e-12, squares[m]!));
		for (let i = 0, m = 0; i < solution.length; i++, m = m + 1 === models ? 0 : m + 1)
			direction[i] = residual[i]! + kept[m]! * direction[i]!;
		squares = next;
	}
	return solution;
}

function columnProducts(a: Float32Array, b: Float32Array, models: number): Float64Array {
	const sums = new Float64Array(models);
	for (let i = 0, m = 0; i < a.length; i++, m = m + 1 === models ? 0 : m + 1) sums[m]! += a[i]! * b[i]!;
	return sums;
}

/** The features of the prompts as a matrix, of which each model has the rows where it was measured. */
class Design {
	readonly #vectors: Vectors;
	readonly #models: number;
	readonly #grams: number;
	/** By prompt: the models that were measured there, one after the other. */
	readonly #measured: readonly Int32Array[];

	constructor(vectors: Vectors, scores: Float32Array, models: number, grams: number) {
		this.#vectors = vectors;
		this.#models = models;
		this.#grams = grams;
		const all = Array.from({ length: models }, (_, m) => m);
		this.#measured = Array.from({ length: scores.length / models }, (_, i) =>
			Int32Array.from(all.filter((m) => !Number.isNaN(scores[i * models + m]))),
		);
	}

	/** The transposed matrix times what `of` says of a prompt and model; `at` is their place in the table's scores. */
	transposed(of: (at: number, model: number) => number): Float32Array {
		const out = this.#empty();
		const values = new Float64Array(this.#models);
		this.#measured.forEach((measured, i) => {
			for (let k = 0; k < measured.length; k++) values[k] = of(i * this.#models + measured[k]!, measured[k]!);
			this.#spread(i, values, out);
		});
		return out;
	}

	/** The transposed matrix times the matrix times `right`. */
	squared(right: Float32Array): Float32Array {
		const out = this.#empty();
		const values = new Float64Array(this.#models);
		for (let i = 0; i < this.#measured.length; i++) {
			this.#gather(i, right, values.fill(0));
			this.#spread(i, values, out);
		}
		return out;
	}

	#empty(): Float32Array {
		return new Float32Array((this.#grams + DENSE_COUNT) * this.#models);
	}

	/** Adds the products of a prompt's features with the columns of its measured models to `values`, in their order. */
	#gather(i: number, right: Float32Array, values: Float64Array): void {
		const { starts, rows, values: weights, dense } = this.#vectors;
		const measured = this.#measured[i]!;
		const end = starts[i + 1]!;
		for (let at = starts[i]!; at < end; at++)
			addProducts(right, rows[at]! * this.#models, measured, weights[at]!, values);
		for (let k = 0; k < DENSE_COUNT; k++) {
			const value = DENSE_WEIGHT * dense[i * DENSE_COUNT + k]!;
			addProducts(right, (this.#grams + k) * this.#models, measured, value, values);
		}
	}

	#spread(i: number, values: Float64Array, out: Float32Array): void {
		const { starts, rows, values: weights, dense } = this.#vectors;
		const measured = this.#measured[i]!;
		const end = starts[i + 1]!;
		for (let at = starts[i]!; at < end; at++) addTo(out, rows[at]! * this.#models, measured, weights[at]!, values);
		for (let k = 0; k < DENSE_COUNT; k++) {
			const value = DENSE_WEIGHT * dense[i * DENSE_COUNT + k]!;
			addTo(out, (this.#grams + k) * this.#models, measured, value, values);
		}
	}
}

function addProducts(
	right: Float32Array,
	from: number,
	measured: Int32Array,
	value: number,
	values: Float64Array,
): void {
	for (let k = 0; k < measured.length; k++) values[k]! += value * right[from + measured[k]!]!;
}

function addTo(out: Float32Array, from: number, measured: Int32Array, value: number, values: Float64Array): void {
	for (let k = 0; k < measured.length; k++) out[from + measured[k]!]! += value * values[k]!;
}
