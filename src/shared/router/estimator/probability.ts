/** Logits of probabilities are kept within what 1 part in 1,000 stands for: nothing here knows more than that. */
const PROBABILITY_MIN = 1e-3;

export function logit(p: number): number {
	const kept = Math.min(1 - PROBABILITY_MIN, Math.max(PROBABILITY_MIN, p));
	return Math.log(kept / (1 - kept));
}

export function sigmoid(x: number): number {
	return 1 / (1 + Math.exp(-x));
}

/** In place, of logits divided by `temperature`. */
export function softmax(values: Float64Array, temperature = 1): void {
	let top = Number.NEGATIVE_INFINITY;
	for (const value of values) if (value > top) top = value;
	let sum = 0;
	for (let i = 0; i < values.length; i++) {
		const value = Math.exp((values[i]! - top) / temperature);
		values[i] = value;
		sum += value;
	}
	for (let i = 0; i < values.length; i++) values[i]! /= sum;
}

/** Entropy as a share of its greatest, log n; 0 where there is but one outcome. */
export function relativeEntropy(p: Float64Array): number {
	if (p.length < 2) return 0;
	let sum = 0;
	for (const each of p) if (each > 0) sum -= each * Math.log(each);
	return Math.min(1, sum / Math.log(p.length));
}
