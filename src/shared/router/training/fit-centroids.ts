import { DENSE_COUNT } from "../features/dense.ts";
import { DENSE_WEIGHT } from "../estimator/latent-space.ts";
import type { Latent, Novelty } from "../weights/weights.ts";
import type { Table } from "./space.ts";
import type { Vectors } from "./vectors.ts";

const SIGMA_MIN = 0.02;

/** Where the prompts of each domain lie in the latent and dense features, and how they spread around that. */
export function fitCentroids(
	vectors: Vectors,
	{ domain, prompts }: Table,
	domains: number,
	latent: Latent,
): Omit<Novelty, "thresholds"> {
	const length = latent.width + DENSE_COUNT;
	const inputs = inputsOfAll(vectors, prompts.length, latent);
	const centroids = new Float64Array(domains * length);
	const counts = new Float64Array(domains);
	for (let i = 0; i < prompts.length; i++) {
		counts[domain[i]!]!++;
		for (let k = 0; k < length; k++) centroids[domain[i]! * length + k]! += inputs[i * length + k]!;
	}
	for (let at = 0; at < centroids.length; at++) centroids[at]! /= Math.max(1, counts[Math.floor(at / length)]!);
	const squares = new Float64Array(length);
	for (let i = 0; i < prompts.length; i++) {
		for (let k = 0; k < length; k++)
			squares[k]! += (inputs[i * length + k]! - centroids[domain[i]! * length + k]!) ** 2;
	}
	return {
		centroids: Float32Array.from(centroids),
		sigmas: Float32Array.from(squares, (square) =>
			Math.max(SIGMA_MIN, Math.sqrt(square / Math.max(1, prompts.length - domains))),
		),
	};
}

function inputsOfAll({ starts, rows, values, dense }: Vectors, count: number, latent: Latent): Float32Array {
	const { width, scales } = latent;
	const length = width + DENSE_COUNT;
	const inputs = new Float32Array(count * length);
	for (let i = 0; i < count; i++) {
		const to = i * length;
		for (let at = starts[i]!; at < starts[i + 1]!; at++) {
			const row = rows[at]!;
			const value = values[at]! * scales[row]!;
			for (let h = 0; h < width; h++) inputs[to + h]! += value * latent.rows[row * width + h]!;
		}
		for (let k = 0; k < DENSE_COUNT; k++) inputs[to + width + k] = DENSE_WEIGHT * dense[i * DENSE_COUNT + k]!;
	}
	return inputs;
}
