import { decode, f32View } from "./decode.ts";
import { encodedBytes, type Encoding } from "./encoding.ts";

/** The loops that every byte of an update passes. Each sums in an order that its arguments fix, so that the same updates
 *  give the same bits on any machine. */

/** Values that are decoded at a time: 16 KiB, so that they are added while the processor's first cache holds them. */
const CHUNK = 4_096;
const scratch = new Float32Array(CHUNK);

/** sum += coefficient x values. Four at a time, which V8 does not do by itself. */
export function addScaled(sum: Float64Array, coefficient: number, values: Float32Array): void {
	const whole = values.length & ~3;
	for (let i = 0; i < whole; i += 4) {
		const s0 = sum[i]! + coefficient * values[i]!;
		const s1 = sum[i + 1]! + coefficient * values[i + 1]!;
		const s2 = sum[i + 2]! + coefficient * values[i + 2]!;
		const s3 = sum[i + 3]! + coefficient * values[i + 3]!;
		sum[i] = s0;
		sum[i + 1] = s1;
		sum[i + 2] = s2;
		sum[i + 3] = s3;
	}
	for (let i = whole; i < values.length; i++) sum[i] = sum[i]! + coefficient * values[i]!;
}

/** Rows of f32 that `addFour` takes. */
export const FOUR = 4;

/** Adds four rows, one after the other at each coordinate: the bits of four calls of `addScaled`, for which the sum is read and
 *  written once. */
export function addFour(sum: Float64Array, coefficients: readonly number[], rows: readonly Float32Array[]): void {
	const [c0, c1, c2, c3] = coefficients as [number, number, number, number];
	const [a, b, c, d] = rows as [Float32Array, Float32Array, Float32Array, Float32Array];
	const whole = sum.length & ~1;
	for (let i = 0; i < whole; i += 2) {
		const s0 = sum[i]! + c0 * a[i]! + c1 * b[i]! + c2 * c[i]! + c3 * d[i]!;
		const s1 = sum[i + 1]! + c0 * a[i + 1]! + c1 * b[i + 1]! + c2 * c[i + 1]! + c3 * d[i + 1]!;
		sum[i] = s0;
		sum[i + 1] = s1;
	}
	for (let i = whole; i < sum.length; i++) sum[i] = sum[i]! + c0 * a[i]! + c1 * b[i]! + c2 * c[i]! + c3 * d[i]!;
}

/** sum += coefficient x the values that are encoded in `bytes`, `sum.length` of them. */
export function addEncoded(sum: Float64Array, coefficient: number, encoding: Encoding, bytes: Uint8Array): void {
	if (encoding === "f32") return addScaled(sum, coefficient, f32View(bytes, sum.length));
	for (let at = 0; at < sum.length; at += CHUNK) {
		const values = scratch.subarray(0, Math.min(CHUNK, sum.length - at));
		// A chunk holds whole int8 blocks, so that the next one begins at a byte of its own.
		decode(encoding, bytes.subarray(encodedBytes(encoding, at)), values);
		addScaled(sum.subarray(at, at + values.length), coefficient, values);
	}
}

/** sum += coefficient x (to - from). */
export function addDifference(sum: Float64Array, coefficient: number, to: Float32Array, from: Float32Array): void {
	for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + coefficient * (to[i]! - from[i]!);
}

/** Sum of the squares of a row, in Float64 and four lanes; of an update: these sums added in the order of its rows. Finite if
 *  and only if all values are. */
export function squaredNorm(values: Float32Array): number {
	return dot(values, values);
}

/** products += the inner products of all pairs of rows, row-major n x n. Pieces have to begin at multiples of 4,096 parameters
 *  and come in order; how long they are does not change the result. */
export function addGram(products: Float64Array, rows: readonly Float32Array[]): void {
	const n = rows.length;
	const length = rows[0]?.length ?? 0;
	for (let at = 0; at < length; at += CHUNK) {
		const pieces = rows.map((row) => row.subarray(at, at + CHUNK));
		for (let i = 0; i < n; i++) {
			for (let j = 0; j <= i; j++) {
				const product = products[i * n + j]! + dot(pieces[i]!, pieces[j]!);
				products[i * n + j] = product;
				products[j * n + i] = product;
			}
		}
	}
}

function dot(a: Float32Array, b: Float32Array): number {
	let s0 = 0;
	let s1 = 0;
	let s2 = 0;
	let s3 = 0;
	const whole = a.length & ~3;
	for (let i = 0; i < whole; i += 4) {
		s0 += a[i]! * b[i]!;
		s1 += a[i + 1]! * b[i + 1]!;
		s2 += a[i + 2]! * b[i + 2]!;
		s3 += a[i + 3]! * b[i + 3]!;
	}
	for (let i = whole; i < a.length; i++) s0 += a[i]! * b[i]!;
	return s0 + s1 + (s2 + s3);
}
