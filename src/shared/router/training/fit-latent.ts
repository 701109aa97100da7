import { DENSE_COUNT } from "../features/dense.ts";
import { DENSE_WEIGHT } from "../estimator/latent-space.ts";
import { logit } from "../estimator/probability.ts";
import { inputsOf } from "../weights/layout.ts";
import type { Latent } from "../weights/weights.ts";
import { shuffle, type Random } from "./random.ts";
import type { Space, Table } from "./space.ts";
import type { Vectors } from "./vectors.ts";

export interface LatentSettings {
	readonly width: number;
	readonly epochs: number;
	readonly rate: number;
}

export interface FittedLatent {
	readonly latent: Latent;
	readonly domainHeads: Float32Array;
	readonly modelHeads: Float32Array;
}

/** Heads learn more slowly than the many rows under them. */
const HEAD_RATE = 0.3;
/** Gradients below this change nothing that anybody sees. */
const GRADIENT_MIN = 1e-3;

/** One latent space for all heads, by stochastic gradient descent: the cross entropy of the domain, and the mean over the
 *  measured models of that of their quality. Step sizes as AdaGrad's (Duchi et al. 2011), with one sum of squares for a row
 *  of the space and one for a head; the rate falls linearly to zero. The shape is fastText's (Joulin et al. 2017). */
export function fitLatent(
	vectors: Vectors,
	table: Table,
	space: Space,
	grams: number,
	settings: LatentSettings,
	random: Random,
): FittedLatent {
	const run = new Descent(vectors, table, space, grams, settings.width, random);
	const order = Int32Array.from(table.prompts, (_, i) => i);
	const all = settings.epochs * order.length;
	let done = 0;
	for (let epoch = 0; epoch < settings.epochs; epoch++) {
		shuffle(order, random);
		for (const i of order) run.step(i, settings.rate * (1 - done++ / all));
	}
	return run.result();
}

class Descent {
	readonly #vectors: Vectors;
	readonly #table: Table;
	readonly #domains: number;
	readonly #models: number;
	readonly #width: number;
	readonly #rows: Float32Array;
	readonly #rowSquares: Float32Array;
	readonly #heads: Float32Array;
	readonly #headSquares: Float32Array;
	readonly #inputs: Float64Array;
	readonly #outputs: Float64Array;
	readonly #back: Float64Array;

	constructor(vectors: Vectors, table: Table, space: Space, grams: number, width: number, random: Random) {
		this.#vectors = vectors;
		this.#table = table;
		this.#domains = space.domains.length;
		this.#models = space.models.length;
		this.#width = width;
		const inputs = inputsOf(width);
		const outputs = this.#domains + this.#models;
		this.#rows = Float32Array.from({ length: grams * width }, () => random() - 0.5);
		this.#rowSquares = new Float32Array(grams).fill(1e-4);
		this.#heads = new Float32Array(outputs * inputs);
		this.#headSquares = new Float32Array(outputs).fill(1e-2);
		this.#inputs = new Float64Array(inputs);
		this.#outputs = new Float64Array(outputs);
		this.#back = new Float64Array(width);
		for (let domain = 0; domain < this.#domains; domain++) {
			for (let h = 0; h < width; h++) this.#heads[domain * inputs + h] = ((random() - 0.5) * 4) / Math.sqrt(width);
		}
		for (let m = 0; m < this.#models; m++)
			this.#heads[(this.#domains + m + 1) * inputs - 1] = logit(meanScore(table, m, this.#models));
	}

	step(i: number, rate: number): void {
		this.#forward(i);
		this.#errors(i);
		this.#stepHeads(rate);
		this.#stepRows(i, rate);
	}

	#forward(i: number): void {
		const { starts, rows, values, dense } = this.#vectors;
		const width = this.#width;
		const inputs = this.#inputs.fill(0);
		const latent = this.#rows;
		for (let at = starts[i]!; at < starts[i + 1]!; at++) {
			const value = values[at]!;
			const row = rows[at]! * width;
			for (let h = 0; h < width; h++) inputs[h]! += value * latent[row + h]!;
		}
		for (let k = 0; k < DENSE_COUNT; k++) inputs[width + k] = DENSE_WEIGHT * dense[i * DENSE_COUNT + k]!;
		inputs[inputs.length - 1] = 1;
		const heads = this.#heads;
		for (let output = 0; output < this.#outputs.length; output++) {
			const at = output * inputs.length;
			let sum = 0;
			for (let k = 0; k < inputs.length; k++) sum += heads[at + k]! * inputs[k]!;
			this.#outputs[output] = sum;
		}
	}

	/** Outputs become the derivatives of the loss by them. */
	#errors(i: number): void {
		const outputs = this.#outputs;
		const domains = this.#domains;
		let top = Number.NEGATIVE_INFINITY;
		for (let d = 0; d < domains; d++) top = Math.max(top, outputs[d]!);
		let sum = 0;
		for (let d = 0; d < domains; d++) sum += outputs[d] = Math.exp(outputs[d]! - top);
		for (let d = 0; d < domains; d++) outputs[d]! /= sum;
		outputs[this.#table.domain[i]!]! -= 1;
		const { scores } = this.#table;
		const at = i * this.#models;
		let measured = 0;
		for (let m = 0; m < this.#models; m++) if (!Number.isNaN(scores[at + m])) measured++;
		for (let m = 0; m < this.#models; m++) {
			const score = scores[at + m]!;
			const p = 1 / (1 + Math.exp(-outputs[domains + m]!));
			outputs[domains + m] = Number.isNaN(score) ? 0 : (p - score) / measured;
		}
	}

	#stepHeads(rate: number): void {
		const inputs = this.#inputs;
		const back = this.#back.fill(0);
		const heads = this.#heads;
		let square = 0;
		for (const input of inputs) square += input * input;
		for (let output = 0; output < this.#outputs.length; output++) {
			const error = this.#outputs[output]!;
			if (Math.abs(error) < GRADIENT_MIN) continue;
			const at = output * inputs.length;
			for (let h = 0; h < back.length; h++) back[h]! += error * heads[at + h]!;
			this.#headSquares[output]! += (error * error * square) / inputs.length;
			const step = (HEAD_RATE * rate * error) / Math.sqrt(this.#headSquares[output]!);
			for (let k = 0; k < inputs.length; k++) heads[at + k]! -= step * inputs[k]!;
		}
	}

	#stepRows(i: number, rate: number): void {
		const back = this.#back;
		const width = this.#width;
		let square = 0;
		for (const each of back) square += each * each;
		square /= width;
		if (square < 1e-8) return;
		const { starts, rows, values } = this.#vectors;
		const latent = this.#rows;
		for (let at = starts[i]!; at < starts[i + 1]!; at++) {
			const value = values[at]!;
			const row = rows[at]!;
			this.#rowSquares[row]! += value * value * square;
			const step = (rate * value) / Math.sqrt(this.#rowSquares[row]!);
			for (let h = 0; h < width; h++) latent[row * width + h]! -= step * back[h]!;
		}
	}

	result(): FittedLatent {
		const inputs = inputsOf(this.#width);
		const split = this.#domains * inputs;
		return {
			latent: quantised(this.#rows, this.#width),
			domainHeads: this.#heads.slice(0, split),
			modelHeads: this.#heads.slice(split),
		};
	}
}

function meanScore({ scores }: Table, model: number, models: number): number {
	let sum = 0.5;
	let n = 1;
	for (let at = model; at < scores.length; at += models) {
		if (Number.isNaN(scores[at])) continue;
		sum += scores[at]!;
		n++;
	}
	return sum / n;
}

/** To steps of 1/127 of the greatest value of each row. */
function quantised(values: Float32Array, width: number): Latent {
	const scales = new Float32Array(values.length / width);
	const rows = new Int8Array(values.length);
	for (let row = 0; row < scales.length; row++) {
		let most = 0;
		for (let h = 0; h < width; h++) most = Math.max(most, Math.abs(values[row * width + h]!));
		scales[row] = most / 127;
		for (let h = 0; h < width; h++)
			rows[row * width + h] = most > 0 ? Math.round((values[row * width + h]! / most) * 127) : 0;
	}
	return { width, rows, scales };
}
