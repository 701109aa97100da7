import { DENSE_COUNT } from "../features/dense.ts";
import type { Features } from "../features/features.ts";
import { inputsOf } from "../weights/layout.ts";
import { LINEAR_WIDTH, type Latent, type Linear } from "../weights/weights.ts";

/** Dense features stand in a head's inputs by so much, so that one that is far off does not outweigh all words. */
export const DENSE_WEIGHT = 0.3;

/** Writes the inputs of the heads to `out`: the latent features, the dense ones, and a one. */
export function embed({ width, rows, scales }: Latent, features: Features, out: Float64Array): void {
	writeInputs(rows, width, features, scaledBy(scales, features), out);
}

/** The same for the linear part, whose columns are in steps: its heads know what one stands for. */
export function embedLinear({ rows }: Linear, features: Features, out: Float64Array): void {
	writeInputs(rows, LINEAR_WIDTH, features, widened(features), out);
}

function writeInputs(
	rows: Int8Array,
	width: number,
	features: Features,
	values: Float64Array,
	out: Float64Array,
): void {
	for (let from = 0; from < width; from += LANES) addUp(rows, width, from, features, values, out);
	for (let i = 0; i < DENSE_COUNT; i++) out[width + i] = DENSE_WEIGHT * features.dense[i]!;
	out[inputsOf(width) - 1] = 1;
}

/** Columns at a time: their sums stay in registers, which is twice as fast as adding row by row into an array. The width is
 *  a multiple of this. */
export const LANES = 8;

let scratch = new Float64Array(4_096);

/** The values times the scales of their rows: once for all columns. */
function scaledBy(scales: Float32Array, { rows, values, count }: Features): Float64Array {
	const scaled = scratchOf(count);
	for (let i = 0; i < count; i++) scaled[i] = values[i]! * scales[rows[i]!]!;
	return scaled;
}

/** In the type of those that are scaled, so that `addUp` sees one alone. */
function widened({ values, count }: Features): Float64Array {
	const scaled = scratchOf(count);
	for (let i = 0; i < count; i++) scaled[i] = values[i]!;
	return scaled;
}

function scratchOf(count: number): Float64Array {
	if (count > scratch.length) scratch = new Float64Array(2 * count);
	return scratch;
}

function addUp(
	rows: Int8Array,
	width: number,
	from: number,
	{ rows: chosen, count }: Features,
	scaled: Float64Array,
	out: Float64Array,
): void {
	let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
	for (let i = 0; i < count; i++) {
		const value = scaled[i]!;
		const at = chosen[i]! * width + from;
		a += value * rows[at]!;
		b += value * rows[at + 1]!;
		c += value * rows[at + 2]!;
		d += value * rows[at + 3]!;
		e += value * rows[at + 4]!;
		f += value * rows[at + 5]!;
		g += value * rows[at + 6]!;
		h += value * rows[at + 7]!;
	}
	out[from] = a;
	out[from + 1] = b;
	out[from + 2] = c;
	out[from + 3] = d;
	out[from + 4] = e;
	out[from + 5] = f;
	out[from + 6] = g;
	out[from + 7] = h;
}

/** Writes the products of `inputs` with the first `count` rows of `heads` to `out`. */
export function applyHeads(heads: Float32Array, inputs: Float64Array, count: number, out: Float64Array): void {
	const length = inputs.length;
	for (let row = 0; row < count; row++) {
		const at = row * length;
		let sum = 0;
		for (let i = 0; i < length; i++) sum += heads[at + i]! * inputs[i]!;
		out[row] = sum;
	}
}
