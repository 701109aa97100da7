import { zeroModel, type Model } from "../src/index.ts";
import type { Sample } from "./sample.ts";

/** Softmax regression: `weight` (features x classes), `bias`. Starts at zero. */
export function softmaxModel(features: number, classes: number): Model {
	return zeroModel({ weight: [features, classes], bias: [classes] });
}

/** Full-batch gradient descent on the mean cross-entropy, in place. In Float64, and rounded once at the end. */
export function descend(model: Model, samples: readonly Sample[], steps: number, rate: number): void {
	const values = Float64Array.from(model.values);
	const classes = model.tensor("bias").length;
	const gradient = new Float64Array(values.length);
	for (let step = 0; step < steps; step++) {
		gradient.fill(0);
		for (const sample of samples) {
			const error = probabilities(values, classes, sample);
			error[sample.label] = error[sample.label]! - 1;
			const bias = values.length - classes;
			for (let i = 0; i < sample.x.length; i++) {
				const x = sample.x[i]!;
				if (x === 0) continue;
				for (let k = 0; k < classes; k++) gradient[i * classes + k] = gradient[i * classes + k]! + x * error[k]!;
			}
			for (let k = 0; k < classes; k++) gradient[bias + k] = gradient[bias + k]! + error[k]!;
		}
		for (let i = 0; i < values.length; i++) values[i] = values[i]! - (rate * gradient[i]!) / samples.length;
	}
	model.values.set(values);
}

export interface Score {
	readonly loss: number;
	readonly metrics: { readonly accuracy: number };
}

/** Mean cross-entropy, and the share of right answers. */
export function score(model: Model, samples: readonly Sample[]): Score {
	const classes = model.tensor("bias").length;
	let loss = 0;
	let right = 0;
	for (const sample of samples) {
		const p = probabilities(model.values, classes, sample);
		if (p.indexOf(Math.max(...p)) === sample.label) right++;
		loss -= Math.log(p[sample.label]!);
	}
	return { loss: loss / samples.length, metrics: { accuracy: right / samples.length } };
}

function probabilities(model: ArrayLike<number>, classes: number, { x }: Sample): Float64Array {
	const bias = x.length * classes;
	const out = Float64Array.from({ length: classes }, (_, k) => model[bias + k]!);
	for (let i = 0; i < x.length; i++) {
		if (x[i] === 0) continue;
		for (let k = 0; k < classes; k++) out[k] = out[k]! + x[i]! * model[i * classes + k]!;
	}
	const most = Math.max(...out);
	let sum = 0;
	for (let k = 0; k < classes; k++) sum += out[k] = Math.exp(out[k]! - most);
	return out.map((value) => value / sum);
}
