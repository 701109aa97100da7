import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encode } from "../../../src/shared/federated/encode.ts";
import { ENCODINGS } from "../../../src/shared/federated/encoding.ts";
import { decode } from "../../../src/shared/federated/decode.ts";
import {
	addDifference,
	addEncoded,
	addGram,
	addScaled,
	allFinite,
	ROWS_ADDED,
	squaredNorm,
} from "../../../src/shared/federated/kernels.ts";

const LENGTH = 9_000;

function drawn(seed: number, length = LENGTH): Float32Array {
	return Float32Array.from({ length }, (_, i) => Math.sin(seed * 1_000 + i * i) * 10);
}

test.each(ENCODINGS)("adding rows of %s is the same as decoding them and adding one after the other", (encoding) => {
	for (let count = 1; count <= ROWS_ADDED; count++) {
		const rows = Array.from({ length: count }, (_, i) => {
			return { encoding, coefficient: 1 / (i + 3), bytes: encode(encoding, drawn(i + 1)) };
		});
		const [found, expected] = [new Float64Array(LENGTH).fill(0.1), new Float64Array(LENGTH).fill(0.1)];
		addEncoded(found, rows);
		const decoded = new Float32Array(LENGTH);
		for (const { coefficient, bytes } of rows) {
			decode(encoding, bytes, decoded);
			addScaled(expected, coefficient, decoded);
		}
		expect(found).toEqual(expected);
		expect(found[LENGTH - 1]).not.toBe(0.1);
	}
});

test("rows of different encodings are added together", () => {
	const [found, expected] = [new Float64Array(LENGTH), new Float64Array(LENGTH)];
	const rows = ENCODINGS.map((encoding, i) => ({ encoding, coefficient: i - 1.5, bytes: encode(encoding, drawn(i)) }));
	addEncoded(found, rows);
	for (const row of rows) addEncoded(expected, [row]);
	expect(found).toEqual(expected);
});

test("a difference is taken before it is weighed", () => {
	const sum = Float64Array.of(1, 2);
	addDifference(sum, 0.5, Float32Array.of(3, 5), Float32Array.of(1, 10));
	expect([...sum]).toEqual([2, -0.5]);
});

test("a squared norm is finite if and only if all values are", () => {
	fc.assert(
		fc.property(fc.float32Array({ maxLength: 40 }), (values) => {
			expect(Number.isFinite(squaredNorm(values))).toBe(values.every(Number.isFinite));
		}),
	);
	expect(squaredNorm(new Float32Array(2 ** 18).fill(3.4e38))).toBeLessThan(Infinity);
});

test("one value that is not finite is found, wherever it stands", () => {
	fc.assert(
		fc.property(fc.float32Array({ maxLength: 40 }), (values) => {
			expect(allFinite(values)).toBe(values.every(Number.isFinite));
		}),
	);
});

test("the Gram matrix holds all inner products, whatever pieces its rows come in", () => {
	const rows = [1, 2, 3, 4].map((seed) => drawn(seed, 3 * 4_096 + 100));
	const whole = new Float64Array(16);
	addGram(whole, rows);
	const pieces = new Float64Array(16);
	for (const [begin, end] of [
		[0, 4_096],
		[4_096, 12_288],
		[12_288, 12_388],
	] as const) {
		addGram(
			pieces,
			rows.map((row) => row.subarray(begin, end)),
		);
	}
	expect(pieces).toEqual(whole);
	for (const [i, a] of rows.entries()) {
		for (const [j, b] of rows.entries()) {
			const naive = a.reduce((sum, value, k) => sum + value * b[k]!, 0);
			expect(Math.abs(whole[i * 4 + j]! - naive)).toBeLessThan(1e-8 * (1 + Math.abs(whole[i * 5]!)));
			expect(whole[i * 4 + j]).toBe(whole[j * 4 + i]);
		}
	}
});
