import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode } from "../../../src/shared/federated/decode.ts";
import { encode } from "../../../src/shared/federated/encode.ts";
import { encodedBytes, ENCODINGS, type Encoding } from "../../../src/shared/federated/encoding.ts";

const values = fc.float32Array({ noNaN: true, noDefaultInfinity: true, max: 60_000, min: -60_000, maxLength: 600 });

function decoded(encoding: Encoding, bytes: Uint8Array, length: number): Float32Array {
	const out = new Float32Array(length);
	decode(encoding, bytes, out);
	return out;
}

function bitsOf(values: Float32Array): Uint32Array {
	return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** All 65,536 words of two bytes. */
const WORDS = new Uint8Array(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer);

test("f32 comes back bit by bit", () => {
	fc.assert(
		fc.property(fc.float32Array({ maxLength: 300 }), (values) => {
			expect(bitsOf(decoded("f32", encode("f32", values), values.length))).toEqual(bitsOf(values.slice()));
		}),
	);
});

test.each(["f16", "bf16"] as const)("all values of %s come back as they were", (encoding) => {
	const all = decoded(encoding, WORDS, 65_536);
	const again = encode(encoding, all);
	for (let i = 0; i < 65_536; i++) {
		if (Number.isNaN(all[i])) continue;
		expect(again[2 * i]! | (again[2 * i + 1]! << 8)).toBe(i);
	}
});

test("f16 values are those of the standard", () => {
	const words = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x3555);
	const expected = [1, -2, 65_504, 2 ** -14, 2 ** -24, -0, Infinity, -Infinity, 0.333251953125];
	expect([...decoded("f16", new Uint8Array(words.buffer), 9)]).toEqual(expected);
});

test.each(["f16", "bf16"] as const)("%s rounds to the nearest value, ties to even", (encoding) => {
	const all = [...decoded(encoding, WORDS, 65_536)].filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
	fc.assert(
		fc.property(fc.integer({ min: 0, max: all.length - 2 }), fc.double({ min: 0, max: 1, noNaN: true }), (at, part) => {
			const [low, high] = [all[at]!, all[at + 1]!];
			const value = Math.fround(low + part * (high - low));
			const [found] = decoded(encoding, encode(encoding, Float32Array.of(value)), 1);
			expect(Math.abs(found! - value)).toBe(Math.min(Math.abs(low - value), Math.abs(high - value)));
		}),
		{ numRuns: 2_000 },
	);
	const ties = encoding === "f16" ? [1 + 2 ** -11, 1 + 3 * 2 ** -11] : [1 + 2 ** -8, 1 + 3 * 2 ** -8];
	const step = encoding === "f16" ? 2 ** -10 : 2 ** -7;
	expect([...decoded(encoding, encode(encoding, Float32Array.from(ties)), 2)]).toEqual([1, 1 + 2 * step]);
});

test("int8 is off by half a step of its block at most", () => {
	fc.assert(
		fc.property(values, (values) => {
			const found = decoded("int8", encode("int8", values), values.length);
			for (let begin = 0; begin < values.length; begin += 256) {
				const block = values.subarray(begin, begin + 256);
				const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
				// A scale of few bits, at the small end of f32, may be off by more.
				const step = Math.max(largest / 127, 2 ** -149) * (largest < 2 ** -120 ? 64 : 1.0001);
				block.forEach((value, i) => expect(Math.abs(found[begin + i]! - value)).toBeLessThanOrEqual(step / 2));
			}
		}),
	);
});

test("int8 holds whole multiples of the scale exactly", () => {
	const block = Float32Array.from({ length: 511 }, (_, i) => ((i % 255) - 127) * 0.25);
	expect(decoded("int8", encode("int8", block), 511)).toEqual(block);
	expect(encode("int8", block).length).toBe(511 + 2 * 4);
});

describe.each(ENCODINGS)("%s", (encoding) => {
	test("has as many bytes as it says", () => {
		fc.assert(
			fc.property(values, (values) => {
				expect(encode(encoding, values).length).toBe(encodedBytes(encoding, values.length));
			}),
		);
	});

	test("is read the same from any place in a buffer", () => {
		fc.assert(
			fc.property(values, fc.integer({ min: 0, max: 7 }), (values, offset) => {
				const bytes = encode(encoding, values);
				const moved = new Uint8Array(offset + bytes.length);
				moved.set(bytes, offset);
				expect(decoded(encoding, moved.subarray(offset), values.length)).toEqual(
					decoded(encoding, bytes, values.length),
				);
			}),
		);
	});

	test("shows what is not finite", () => {
		for (const value of [NaN, Infinity, -Infinity]) {
			const bytes = encode(encoding, Float32Array.of(1, value, 2));
			expect(decoded(encoding, bytes, 3).every(Number.isFinite)).toBe(false);
		}
	});
});

test("a value that f16 cannot hold becomes infinite, not another value", () => {
	expect([...decoded("f16", encode("f16", Float32Array.of(65_519, 65_520, -1e30)), 3)]).toEqual([
		65_504,
		Infinity,
		-Infinity,
	]);
});
