/** Replaces the bytes from `start` to `end` (exclusive) by a text, written as UTF-8. Equal ends insert. */
export interface Edit {
	readonly start: number;
	readonly end: number;
	readonly replacement: string;
}

const encoder = new TextEncoder();

/** The bytes with all edits made, in one allocation; without edits the very same array. Insertions at one place keep their
 *  order. Edits that overlap or lie outside are a bug and throw. */
export function splice(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
	if (edits.length === 0) return bytes;
	const sorted = edits
		.map(({ start, end, replacement }) => ({ start, end, inserted: encoder.encode(replacement) }))
		.sort((a, b) => a.start - b.start || a.end - b.end);
	let length = bytes.length;
	let done = 0;
	for (const { start, end, inserted } of sorted) {
		if (start < done || end < start || end > bytes.length) throw new RangeError(`edit ${start}..${end} does not fit`);
		done = end;
		length += inserted.length - (end - start);
	}

	const result = new Uint8Array(length);
	let read = 0;
	let written = 0;
	for (const { start, end, inserted } of sorted) {
		result.set(bytes.subarray(read, start), written);
		written += start - read;
		result.set(inserted, written);
		written += inserted.length;
		read = end;
	}
	result.set(bytes.subarray(read), written);
	return result;
}
