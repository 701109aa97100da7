import { encodedBytes, SCALE_BYTES, type Encoding } from "./encoding.ts";
import { INT8_BLOCK } from "./sizes.ts";

/** Values as the bytes of an encoding, rounded to nearest, ties to even (int8: of the block's scale, largest / 127). A value
 *  that the encoding cannot hold becomes infinite, and the update is refused. */
export function encode(encoding: Encoding, values: Float32Array): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(encodedBytes(encoding, values.length));
	switch (encoding) {
		case "f32":
			new Float32Array(bytes.buffer).set(values);
			break;
		case "f16":
			encodeF16(values, new Uint16Array(bytes.buffer));
			break;
		case "bf16":
			encodeBf16(values, new Uint16Array(bytes.buffer));
			break;
		case "int8":
			encodeInt8(values, bytes);
			break;
	}
	return bytes;
}

function bitsOf(values: Float32Array): Uint32Array {
	return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function encodeF16(values: Float32Array, out: Uint16Array): void {
	const words = bitsOf(values);
	for (let i = 0; i < out.length; i++) {
		const sign = (words[i]! >>> 16) & 0x8000;
		const magnitude = words[i]! & 0x7fff_ffff;
		out[i] = sign | f16Magnitude(magnitude, Math.abs(values[i]!));
	}
}

/** Bits of the f16 nearest to a positive f32, given as bits and as value. */
function f16Magnitude(bits: number, value: number): number {
	if (bits > 0x7f80_0000) return 0x7e00;
	// 65,520 lies in the middle between the largest finite value and the next.
	if (value >= 65_520) return 0x7c00;
	if (value < 2 ** -14) return roundEven(value * 2 ** 24);
	// Moves the exponent's bias from 127 to 15 and rounds away 13 bits of fraction; a carry runs into the exponent.
	const shifted = bits - ((127 - 15) << 23);
	return (shifted + 0xfff + ((shifted >>> 13) & 1)) >>> 13;
}

function encodeBf16(values: Float32Array, out: Uint16Array): void {
	const words = bitsOf(values);
	for (let i = 0; i < out.length; i++) {
		const word = words[i]!;
		const isNaN = (word & 0x7fff_ffff) > 0x7f80_0000;
		out[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
	}
}

function encodeInt8(values: Float32Array, bytes: Uint8Array): void {
	const view = new DataView(bytes.buffer);
	const out = new Int8Array(bytes.buffer);
	let at = 0;
	for (let begin = 0; begin < values.length; begin += INT8_BLOCK) {
		const end = Math.min(values.length, begin + INT8_BLOCK);
		// NaN stays, and is seen in the scale.
		let largest = 0;
		for (let i = begin; i < end; i++) largest = Math.max(largest, Math.abs(values[i]!));
		const scale = Math.fround(largest / 127);
		view.setFloat32(at, scale, true);
		at += SCALE_BYTES;
		const divisor = scale === 0 ? 1 : scale;
		for (let i = begin; i < end; i++) out[at++] = Math.max(-127, Math.min(127, roundEven(values[i]! / divisor)));
	}
}

/** Of a value under 2^51: where it is added, doubles are one apart, and the sum is rounded to even. */
const WHOLE = 1.5 * 2 ** 52;

function roundEven(value: number): number {
	return value + WHOLE - WHOLE;
}
