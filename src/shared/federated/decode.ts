import { SCALE_BYTES, type Encoding } from "./encoding.ts";
import { INT8_BLOCK, ROW_PARAMETERS } from "./sizes.ts";

/** All f16 values by their bits; 256 KiB, made at the first use. */
let f16Values: Float32Array | null = null;

/** Values of an encoding as f32, `out.length` of them, from the start of `bytes`. What is not finite stays so. */
export function decode(encoding: Encoding, bytes: Uint8Array, out: Float32Array): void {
	switch (encoding) {
		case "f32":
			out.set(f32View(bytes, out.length));
			return;
		case "f16":
			return decodeF16(u16View(bytes, out.length), out);
		case "bf16":
			return decodeBf16(u16View(bytes, out.length), out);
		case "int8":
			return decodeInt8(bytes, out);
	}
}

let scratch: Float32Array<ArrayBuffer> | undefined;

/** `length` values of an encoding, a row at most, that are needed until the next call only: the bytes themselves where they can be, else
 *  one array for all who ask. */
export function passingValues(encoding: Encoding, bytes: Uint8Array, length: number): Float32Array {
	if (encoding === "f32" && bytes.byteOffset % 4 === 0) return f32View(bytes, length);
	const values = (scratch ??= new Float32Array(ROW_PARAMETERS)).subarray(0, length);
	decode(encoding, bytes, values);
	return values;
}

/** The bytes as f32, without a copy where they are aligned. Workers run on little-endian machines only. */
export function f32View(bytes: Uint8Array, length: number): Float32Array {
	const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice(0, length * 4);
	return new Float32Array(aligned.buffer, aligned.byteOffset, length);
}

function u16View(bytes: Uint8Array, length: number): Uint16Array {
	const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice(0, length * 2);
	return new Uint16Array(aligned.buffer, aligned.byteOffset, length);
}

/** Four values a turn, here and below: V8 does not unroll loops, and so they are twice as fast. */
function decodeF16(bits: Uint16Array, out: Float32Array): void {
	const values = (f16Values ??= Float32Array.from({ length: 65_536 }, (_, bits) => f16Value(bits)));
	const whole = out.length & ~3;
	for (let i = 0; i < whole; i += 4) {
		const v0 = values[bits[i]!]!;
		const v1 = values[bits[i + 1]!]!;
		const v2 = values[bits[i + 2]!]!;
		const v3 = values[bits[i + 3]!]!;
		out[i] = v0;
		out[i + 1] = v1;
		out[i + 2] = v2;
		out[i + 3] = v3;
	}
	for (let i = whole; i < out.length; i++) out[i] = values[bits[i]!]!;
}

/** IEEE 754 binary16: a sign, five bits of exponent, ten of fraction. */
function f16Value(bits: number): number {
	const sign = bits & 0x8000 ? -1 : 1;
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	if (exponent === 31) return fraction ? NaN : sign * Infinity;
	return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The upper half of an f32. */
function decodeBf16(bits: Uint16Array, out: Float32Array): void {
	const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
	const whole = words.length & ~3;
	for (let i = 0; i < whole; i += 4) {
		const w0 = bits[i]! << 16;
		const w1 = bits[i + 1]! << 16;
		const w2 = bits[i + 2]! << 16;
		const w3 = bits[i + 3]! << 16;
		words[i] = w0;
		words[i + 1] = w1;
		words[i + 2] = w2;
		words[i + 3] = w3;
	}
	for (let i = whole; i < words.length; i++) words[i] = bits[i]! << 16;
}

function decodeInt8(bytes: Uint8Array, out: Float32Array): void {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const values = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	let at = 0;
	for (let begin = 0; begin < out.length; begin += INT8_BLOCK) {
		const scale = view.getFloat32(at, true);
		at += SCALE_BYTES;
		const end = Math.min(out.length, begin + INT8_BLOCK);
		for (let i = begin; i < end; i++) out[i] = scale * values[at++]!;
	}
}
