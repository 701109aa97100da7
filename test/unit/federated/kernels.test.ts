import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encode } from "../../../src/shared/federated/encode.ts";
import { ENCODINGS } from "../../../src/shared/federated/encoding.ts";
import { decode } from "../../../src/shared/federated/decode.ts";
import { addDifference, addEncoded, addGram, addScaled, squaredNorm } from "../../../src/shared/federated/kernels.ts";

const LENGTH = 9_000;

function drawn(seed: number, length = LENGTH): Float32Array {
	return Float32Array.from({ length }, (_, i) => Math.sin(seed * 1_000 + i * i) * 10);
}

test.each(ENCODINGS)("adding %s is the same as decoding it and adding that", (encoding) => {
	const bytes = encode(encoding, drawn(1));
	const decoded = new Float32Array(LENGTH);
	decode(encoding, bytes, decoded);
	const [found, expected] = [new Float64Array(LENGTH).fill(0.1), new Float64Array(LENGTH).fill(0.1)];
	addEncoded(found, 1 / 3, encoding, bytes);
	addScaled(expected, 1 / 3, decoded);
	expect(found).toEqual(expected);
	expect(found[LENGTH - 1]).toBe(0.1 + (1 / 3) * decoded[LENGTH - 1]!);
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
