import { zeroModel, type Model } from "../src/index.ts";
import { shuffled } from "./random.ts";
import type { Sample } from "./sample.ts";
import type { Score } from "./softmax.ts";

/** A layer of rectified units between features and classes: `in.weight` (features x hidden), `in.bias`, `out.weight` (hidden x
 *  classes), `out.bias`. Starts as by Glorot and Bengio (2010). */
export function mlpModel(features: number, hidden: number, classes: number, random: () => number): Model {
	const model = zeroModel({
		"in.weight": [features, hidden],
		"in.bias": [hidden],
		"out.weight": [hidden, classes],
		"out.bias": [classes],
	});
	for (const [name, sum] of [
		["in.weight", features + hidden],
		["out.weight", hidden + classes],
	] as const) {
		const weights = model.tensor(name);
		for (let i = 0; i < weights.length; i++) weights[i] = (2 * random() - 1) * Math.sqrt(6 / sum);
	}
	return model;
}

export interface SgdOptions {
	readonly epochs: number;
	readonly batch: number;
	readonly rate: number;
	readonly random: () => number;
	readonly progress?: (done: number, total: number) => void;
}

/** Stochastic gradient descent on the mean cross-entropy of batches, in place; returns its number of steps. */
export function trainMlp(model: Model, samples: readonly Sample[], options: SgdOptions): number {
	const { epochs, batch, rate, random, progress } = options;
	const pass = new Pass(model);
	let steps = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		const order = shuffled(samples.length, random);
		for (let begin = 0; begin < order.length; begin += batch) {
			const indexes = order.subarray(begin, begin + batch);
			for (const index of indexes) {
				const sample = samples[index]!;
				pass.forward(sample);
				pass.backward(sample);
			}
			pass.step(rate / indexes.length);
			steps++;
		}
		progress?.(epoch + 1, epochs);
	}
	return steps;
}

export function scoreMlp(model: Model, samples: readonly Sample[]): Score {
	const pass = new Pass(model);
	let loss = 0;
	let right = 0;
	for (const sample of samples) {
		const p = pass.forward(sample);
		if (p.indexOf(Math.max(...p)) === sample.label) right++;
		loss -= Math.log(Math.max(1e-30, p[sample.label]!));
	}
	return { loss: loss / samples.length, metrics: { accuracy: right / samples.length } };
}

/** One sample through the model and back. */
class Pass {
	readonly #weight: Float32Array[];
	readonly #gradient: Float32Array[];
	readonly #hidden: Float32Array;
	readonly #out: Float32Array;

	constructor(model: Model) {
		this.#weight = ["in.weight", "in.bias", "out.weight", "out.bias"].map((name) => model.tensor(name));
		this.#gradient = this.#weight.map((weights) => new Float32Array(weights.length));
		this.#hidden = new Float32Array(this.#weight[1]!.length);
		this.#out = new Float32Array(this.#weight[3]!.length);
	}

	/** Probabilities of the classes. */
	forward({ x }: Sample): Float32Array {
		const [inWeight, inBias, outWeight, outBias] = this.#weight as [
			Float32Array,
			Float32Array,
			Float32Array,
			Float32Array,
		];
		const hidden = this.#hidden;
		const out = this.#out;
		hidden.set(inBias);
		// Most pixels are 0.
		for (let i = 0; i < x.length; i++)
			if (x[i] !== 0) addScaled(hidden, 0, inWeight, i * hidden.length, x[i]!, hidden.length);
		out.set(outBias);
		for (let j = 0; j < hidden.length; j++) {
			if (hidden[j]! <= 0) hidden[j] = 0;
			else addScaled(out, 0, outWeight, j * out.length, hidden[j]!, out.length);
		}
		const most = Math.max(...out);
		let sum = 0;
		for (let k = 0; k < out.length; k++) sum += out[k] = Math.exp(out[k]! - most);
		for (let k = 0; k < out.length; k++) out[k] = out[k]! / sum;
		return out;
	}

	/** Adds the gradient of the sample that went forward last. */
	backward({ x, label }: Sample): void {
		const [inWeight, inBias, outWeight, outBias] = this.#gradient as [
			Float32Array,
			Float32Array,
			Float32Array,
			Float32Array,
		];
		const hidden = this.#hidden;
		const error = this.#out;
		const back = new Float32Array(hidden.length);
		error[label] = error[label]! - 1;
		addScaled(outBias, 0, error, 0, 1, error.length);
		for (let j = 0; j < hidden.length; j++) {
			if (hidden[j] === 0) continue;
			addScaled(outWeight, j * error.length, error, 0, hidden[j]!, error.length);
			for (let k = 0; k < error.length; k++) back[j] = back[j]! + this.#weight[2]![j * error.length + k]! * error[k]!;
		}
		addScaled(inBias, 0, back, 0, 1, back.length);
		for (let i = 0; i < x.length; i++)
			if (x[i] !== 0) addScaled(inWeight, i * back.length, back, 0, x[i]!, back.length);
	}

	/** Down the gradient, which is forgotten. */
	step(rate: number): void {
		for (const [i, weights] of this.#weight.entries()) {
			addScaled(weights, 0, this.#gradient[i]!, 0, -rate, weights.length);
			this.#gradient[i]!.fill(0);
		}
	}
}

/** to[toAt...] += factor x from[fromAt...] */
function addScaled(
	to: Float32Array,
	toAt: number,
	from: Float32Array,
	fromAt: number,
	factor: number,
	length: number,
): void {
	for (let i = 0; i < length; i++) to[toAt + i] = to[toAt + i]! + factor * from[fromAt + i]!;
}
