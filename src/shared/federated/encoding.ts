import { INT8_BLOCK } from "./sizes.ts";

/** How the values of an update stand in its parts, little-endian:
 *  `f32`, `f16`, `bf16`: one value behind the other.
 *  `int8`: blocks of 256 values (the last block of a shard may have fewer): an f32 scale, then an int8 each;
 *  a value is scale x int8, rounded to f32. */
export const ENCODINGS = ["f32", "f16", "bf16", "int8"] as const;
export type Encoding = (typeof ENCODINGS)[number];

const VALUE_BYTES: Readonly<Record<Encoding, number>> = { f32: 4, f16: 2, bf16: 2, int8: 1 };
export const SCALE_BYTES = 4;

/** Bytes of `parameters` values that begin at a multiple of 256 in their shard. */
export function encodedBytes(encoding: Encoding, parameters: number): number {
	const scales = encoding === "int8" ? Math.ceil(parameters / INT8_BLOCK) * SCALE_BYTES : 0;
	return parameters * VALUE_BYTES[encoding] + scales;
}
