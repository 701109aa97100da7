/** One message of an engine: its number in the engine's sequence and its msgpack payload, as they came. */
export interface Frame {
	readonly seq: number;
	readonly payload: Uint8Array;
	/** The frames before this one cannot be had, or it is not known whether they are of the same life of the engine. */
	readonly lost: boolean;
}

const SEQUENCE_BYTES = 8;

/** The number in an 8-byte big-endian frame; null where it is none. -1 marks the end of a replay. */
export function readSequence(bytes: Uint8Array): number | null {
	if (bytes.length !== SEQUENCE_BYTES) return null;
	const seq = new DataView(bytes.buffer, bytes.byteOffset, SEQUENCE_BYTES).getBigInt64(0);
	return seq >= -1n && seq <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seq) : null;
}

export function writeSequence(seq: number): Uint8Array {
	const bytes = new Uint8Array(SEQUENCE_BYTES);
	new DataView(bytes.buffer).setBigInt64(0, BigInt(seq));
	return bytes;
}
