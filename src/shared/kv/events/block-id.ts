const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
/** A hash in text is hex or decimal; none is longer. */
const TEXT_MAX = 256;
const BYTES_MAX = 128;

/** Writes an engine's block hash as an opaque 64-bit id to `out[at]` and `out[at + 1]`; false when it is no hash. Numbers
 *  (64-bit ones as bigint), bytes and text all serve: an engine always writes the same hash in the same way, and nothing is
 *  read from it. A 64-bit integer counts with the 53 bits that JSON leaves of it, so that both encodings name one block. */
export function writeBlockId(hash: unknown, out: Uint32Array, at: number): boolean {
	switch (typeof hash) {
		case "number":
			if (!Number.isInteger(hash)) return false;
			return writeNumber(hash, out, at);
		case "bigint":
			return writeNumber(Number(hash), out, at);
		case "string":
			if (hash.length === 0 || hash.length > TEXT_MAX) return false;
			return writeUnits(hash.length, (index) => hash.charCodeAt(index), 0x7feb352d, out, at);
		default:
			if (!(hash instanceof Uint8Array) || hash.length === 0 || hash.length > BYTES_MAX) return false;
			return writeUnits(hash.length, (index) => hash[index]!, 0x846ca68b, out, at);
	}
}

function writeNumber(value: number, out: Uint32Array, at: number): true {
	// No difference between 0 and -0.
	float[0] = value + 0;
	out[at] = words[0]!;
	out[at + 1] = words[1]!;
	return true;
}

function writeUnits(length: number, unit: (index: number) => number, seed: number, out: Uint32Array, at: number): true {
	let a = seed ^ length;
	let b = ~seed ^ length;
	for (let index = 0; index < length; index++) {
		a = Math.imul(a ^ unit(index), 0x9e3779b1);
		a ^= a >>> 15;
		b = Math.imul(b ^ unit(index), 0x5f356495);
		b ^= b >>> 13;
	}
	out[at] = a;
	out[at + 1] = b;
	return true;
}
