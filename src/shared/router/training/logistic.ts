import { sigmoid } from "../estimator/probability.ts";

const STEPS_MAX = 25;
const ENOUGH = 1e-6;

/** Logistic regression by Newton's method with a ridge toward zero; targets may lie between 0 and 1. `inputs`: [n x width],
 *  `offsets`: [n] what stands beside them in the logit. */
export function fitLogistic(
	inputs: Float64Array,
	width: number,
	targets: Float64Array,
	offsets: Float64Array,
	ridge: number,
): Float64Array {
	const beta = new Float64Array(width);
	for (let step = 0; step < STEPS_MAX; step++) {
		const gradient = Float64Array.from(beta, (each) => ridge * each);
		const hessian = new Float64Array(width * width);
		for (let i = 0; i < width; i++) hessian[i * width + i] = ridge + 1e-9;
		for (let n = 0; n < targets.length; n++)
			addRow(inputs, width, n, targets[n]!, offsets[n]!, beta, gradient, hessian);
		const change = solve(hessian, gradient);
		let most = 0;
		for (let i = 0; i < width; i++) {
			const each = Math.max(-2, Math.min(2, change[i]!));
			beta[i]! -= each;
			most = Math.max(most, Math.abs(each));
		}
		if (most < ENOUGH) break;
	}
	return beta;
}

function addRow(
	inputs: Float64Array,
	width: number,
	n: number,
	target: number,
	offset: number,
	beta: Float64Array,
	gradient: Float64Array,
	hessian: Float64Array,
): void {
	const at = n * width;
	let x = offset;
	for (let i = 0; i < width; i++) x += beta[i]! * inputs[at + i]!;
	const p = sigmoid(x);
	const weight = p * (1 - p);
	for (let i = 0; i < width; i++) {
		gradient[i]! += (p - target) * inputs[at + i]!;
		for (let j = 0; j < width; j++) hessian[i * width + j]! += weight * inputs[at + i]! * inputs[at + j]!;
	}
}

/** Gaussian elimination with the greatest pivot of a column. */
function solve(matrix: Float64Array, right: Float64Array): Float64Array {
	const n = right.length;
	const a = matrix.slice();
	const b = right.slice();
	for (let column = 0; column < n; column++) {
		let pivot = column;
		for (let row = column + 1; row < n; row++)
			if (Math.abs(a[row * n + column]!) > Math.abs(a[pivot * n + column]!)) pivot = row;
		for (let k = 0; k < n; k++) [a[column * n + k], a[pivot * n + k]] = [a[pivot * n + k]!, a[column * n + k]!];
		[b[column], b[pivot]] = [b[pivot]!, b[column]!];
		for (let row = column + 1; row < n; row++) {
			const factor = a[row * n + column]! / a[column * n + column]!;
			for (let k = column; k < n; k++) a[row * n + k]! -= factor * a[column * n + k]!;
			b[row]! -= factor * b[column]!;
		}
	}
	for (let row = n - 1; row >= 0; row--) {
		for (let k = row + 1; k < n; k++) b[row]! -= a[row * n + k]! * b[k]!;
		b[row]! /= a[row * n + row]!;
	}
	return b;
}
