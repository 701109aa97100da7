import { DENSE_COUNT } from "../features/dense.ts";
import { inputsOf } from "../weights/layout.ts";
import { LINEAR_WIDTH, type Linear } from "../weights/weights.ts";
import { principalComponents } from "./components.ts";
import { fitRidge } from "./ridge.ts";
import type { Space, Table } from "./space.ts";
import type { Vectors } from "./vectors.ts";

/** A ridge regression for each model, of whose coefficients for grams the `LINEAR_WIDTH` columns are kept that say most of
 *  them all (the truncated singular value decomposition), in 8 bits. Models of one pool answer much the same prompts, so that their
 *  coefficients have few directions of their own. */
export function fitLinear(vectors: Vectors, table: Table, { models }: Space, grams: number): Linear {
	const count = models.length;
	const means = meansOf(table.scores, count);
	const coefficients = fitRidge(vectors, table, means, count, grams);
	const components = principalComponents(gramProducts(coefficients, grams, count), count, LINEAR_WIDTH);
	const { rows, steps } = quantised(columnsOf(coefficients, components, grams, count), grams);
	const inputs = inputsOf(LINEAR_WIDTH);
	const heads = new Float32Array(count * inputs);
	for (let m = 0; m < count; m++) {
		for (let k = 0; k < LINEAR_WIDTH; k++) heads[m * inputs + k] = steps[k]! * components[m * LINEAR_WIDTH + k]!;
		for (let k = 0; k < DENSE_COUNT; k++) heads[m * inputs + LINEAR_WIDTH + k] = coefficients[(grams + k) * count + m]!;
		heads[(m + 1) * inputs - 1] = means[m]!;
	}
	return { rows, heads };
}

function meansOf(scores: Float32Array, models: number): Float64Array {
	return Float64Array.from({ length: models }, (_, m) => {
		let [sum, n] = [0, 0];
		for (let at = m; at < scores.length; at += models) {
			if (Number.isNaN(scores[at])) continue;
			sum += scores[at]!;
			n++;
		}
		return n > 0 ? sum / n : 0.5;
	});
}

/** [M x M]: of the columns of the models, over the grams. */
function gramProducts(coefficients: Float32Array, grams: number, models: number): Float64Array {
	const products = new Float64Array(models * models);
	for (let row = 0; row < grams; row++) {
		const at = row * models;
		for (let i = 0; i < models; i++) {
			const each = coefficients[at + i]!;
			for (let j = i; j < models; j++) products[i * models + j]! += each * coefficients[at + j]!;
		}
	}
	for (let i = 0; i < models; i++) for (let j = 0; j < i; j++) products[i * models + j] = products[j * models + i]!;
	return products;
}

/** [V x LINEAR_WIDTH] */
function columnsOf(coefficients: Float32Array, components: Float64Array, grams: number, models: number): Float64Array {
	const columns = new Float64Array(grams * LINEAR_WIDTH);
	for (let row = 0; row < grams; row++) {
		for (let m = 0; m < models; m++) {
			const each = coefficients[row * models + m]!;
			for (let k = 0; k < LINEAR_WIDTH; k++)
				columns[row * LINEAR_WIDTH + k]! += each * components[m * LINEAR_WIDTH + k]!;
		}
	}
	return columns;
}

/** To steps of 1/127 of the greatest value of each column. */
function quantised(columns: Float64Array, grams: number): { rows: Int8Array; steps: Float64Array } {
	const steps = new Float64Array(LINEAR_WIDTH);
	columns.forEach((value, at) => {
		const k = at % LINEAR_WIDTH;
		steps[k] = Math.max(steps[k]!, Math.abs(value) / 127);
	});
	const rows = new Int8Array(grams * LINEAR_WIDTH);
	columns.forEach((value, at) => {
		const step = steps[at % LINEAR_WIDTH]!;
		if (step > 0) rows[at] = Math.round(value / step);
	});
	return { rows, steps };
}
