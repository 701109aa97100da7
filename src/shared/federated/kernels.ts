import { decode, f32View } from "./decode.ts";
import { encodedBytes, type Encoding } from "./encoding.ts";

/** The loops that every byte of an update passes. Each sums in an order that its arguments fix, so that the same updates
 *  give the same bits on any machine. */

/** Values that are added at a time: 32 KiB of the sum, which the processor's first caches hold while the rows pass. */
const CHUNK = 4_096;
/** Rows that pass together. */
export const ROWS_ADDED = 4;
const scratch = Array.from({ length: ROWS_ADDED }, () => new Float32Array(CHUNK));

/** A row of an update as it was sent, and what its values are multiplied by. */
export interface EncodedRow {
	readonly encoding: Encoding;
	readonly coefficient: number;
	readonly bytes: Uint8Array;
}

/** sum += coefficient x the values that are encoded, `sum.length` of them, of one row after the other: four at most. The sum is read
 *  and written once for all of them. */
export function addEncoded(sum: Float64Array, rows: readonly EncodedRow[]): void {
	const coefficients = rows.map(({ coefficient }) => coefficient);
	for (let at = 0; at < sum.length; at += CHUNK) {
		const piece = sum.subarray(at, at + CHUNK);
		const values = rows.map(({ encoding, bytes }, i) => {
			// A chunk holds whole int8 blocks, so that the next one begins at a byte of its own.
			const encoded = bytes.subarray(encodedBytes(encoding, at));
			if (encoding === "f32") return f32View(encoded, piece.length);
			const decoded = scratch[i]!.subarray(0, piece.length);
			decode(encoding, encoded, decoded);
			return decoded;
		});
		if (rows.length === 4) addFour(piece, coefficients, values);
		else if (rows.length === 2) addTwo(piece, coefficients, values);
		else values.forEach((each, i) => addScaled(piece, coefficients[i]!, each));
	}
}

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

/** Adds two rows, one after the other at each coordinate: the bits of two calls of `addScaled`. */
function addTwo(sum: Float64Array, coefficients: readonly number[], rows: readonly Float32Array[]): void {
	const [c0, c1] = coefficients as [number, number];
	const [a, b] = rows as [Float32Array, Float32Array];
	const whole = sum.length & ~1;
	for (let i = 0; i < whole; i += 2) {
		const s0 = sum[i]! + c0 * a[i]! + c1 * b[i]!;
		const s1 = sum[i + 1]! + c0 * a[i + 1]! + c1 * b[i + 1]!;
		sum[i] = s0;
		sum[i + 1] = s1;
	}
	for (let i = whole; i < sum.length; i++) sum[i] = sum[i]! + c0 * a[i]! + c1 * b[i]!;
}

/** The same with four. */
function addFour(sum: Float64Array, coefficients: readonly number[], rows: readonly Float32Array[]): void {
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

/** A finite value times zero is zero; any other is NaN. */
export function allFinite(values: Float32Array): boolean {
	let [z0, z1, z2, z3] = [0, 0, 0, 0];
	const whole = values.length & ~3;
	for (let i = 0; i < whole; i += 4) {
		z0 += values[i]! * 0;
		z1 += values[i + 1]! * 0;
		z2 += values[i + 2]! * 0;
		z3 += values[i + 3]! * 0;
	}
	for (let i = whole; i < values.length; i++) z0 += values[i]! * 0;
	return z0 + z1 + z2 + z3 === 0;
}
