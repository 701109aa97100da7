import { golden, goldenBytes } from "./golden/full.ts";

const FEATURES = 64;
const CLASSES = 10;
export const PARAMETERS = FEATURES * CLASSES + CLASSES;

interface Sample {
	readonly x: Float64Array;
	readonly label: number;
}

/** The digits of `digits-federated-baselines.json`: its test set, and its ten clients of two label-sorted shards each. */
export function digits() {
	const pixels = goldenBytes("digits/digits-images-1797x64-uint8.bin");
	const labels = goldenBytes("digits/digits-labels-1797-uint8.bin");
	const samples = Array.from(labels, (label, i): Sample => {
		return { label, x: Float64Array.from(pixels.subarray(i * FEATURES, (i + 1) * FEATURES), (value) => value / 16) };
	});
	const train = samples.filter((_, i) => i % 5 !== 0).sort((a, b) => a.label - b.label);
	const shards = split(train, 20);
	return {
		test: samples.filter((_, i) => i % 5 === 0),
		train,
		clients: Array.from({ length: 10 }, (_, c) => [...shards[c]!, ...shards[c + 10]!]),
	};
}

export function baselines(): Readonly<Record<string, Record<string, Record<string, readonly [number, number]>>>> {
	return golden("digits-federated-baselines.json") as ReturnType<typeof baselines>;
}

/** As numpy.array_split: the first parts are one longer. */
function split<T>(all: readonly T[], parts: number): T[][] {
	const short = Math.floor(all.length / parts);
	const longer = all.length % parts;
	let at = 0;
	return Array.from({ length: parts }, (_, i) => all.slice(at, (at += short + (i < longer ? 1 : 0))));
}

/** Softmax regression: W (64 x 10, row-major), then b. */
function probabilities(model: ArrayLike<number>, { x }: Sample): Float64Array {
	const out = Float64Array.from({ length: CLASSES }, (_, k) => model[FEATURES * CLASSES + k]!);
	for (let i = 0; i < FEATURES; i++) {
		if (x[i] !== 0) for (let k = 0; k < CLASSES; k++) out[k]! += x[i]! * model[i * CLASSES + k]!;
	}
	const most = Math.max(...out);
	let sum = 0;
	for (let k = 0; k < CLASSES; k++) sum += out[k] = Math.exp(out[k]! - most);
	return out.map((value) => value / sum);
}

/** A client's model after `steps` steps of full-batch gradient descent. */
export function trained(start: ArrayLike<number>, samples: readonly Sample[], steps: number, rate: number): number[] {
	const model = Array.from(start);
	for (let step = 0; step < steps; step++) {
		const gradient = new Float64Array(PARAMETERS);
		for (const sample of samples) {
			const p = probabilities(model, sample);
			p[sample.label]! -= 1;
			for (let i = 0; i < FEATURES; i++) {
				const x = sample.x[i]!;
				if (x !== 0) for (let k = 0; k < CLASSES; k++) gradient[i * CLASSES + k]! += x * p[k]!;
			}
			for (let k = 0; k < CLASSES; k++) gradient[FEATURES * CLASSES + k]! += p[k]!;
		}
		for (let i = 0; i < PARAMETERS; i++) model[i]! -= (rate * gradient[i]!) / samples.length;
	}
	return model;
}

/** Share of right answers, and mean cross-entropy. */
export function evaluated(model: ArrayLike<number>, samples: readonly Sample[]): { accuracy: number; loss: number } {
	let right = 0;
	let loss = 0;
	for (const sample of samples) {
		const p = probabilities(model, sample);
		if (p.indexOf(Math.max(...p)) === sample.label) right++;
		loss -= Math.log(p[sample.label]!);
	}
	return { accuracy: right / samples.length, loss: loss / samples.length };
}
