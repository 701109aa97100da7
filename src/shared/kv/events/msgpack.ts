import { DecodeError, Decoder } from "@msgpack/msgpack";
import { err, ok, type Result } from "../../result.ts";

const decoder = new Decoder({ useBigInt64: true, mapKeyConverter: String });

/** The value of a msgpack document, or what is wrong with it. 64-bit integers are bigint, binary is a view of `bytes`.
 *  Memory is bounded by `elementsMax` array and map entries, which are counted before anything is made. */
export function unpack(bytes: Uint8Array, elementsMax: number): Result<unknown, string> {
	const fault = structureFault(bytes, elementsMax);
	if (fault !== null) return err(fault);
	try {
		return ok(decoder.decode(bytes));
	} catch (error) {
		// The library also lets the engine's own errors through: bad UTF-8, a length beyond the view.
		if (error instanceof DecodeError || error instanceof RangeError || error instanceof TypeError) {
			return err(error.message);
		}
		throw error;
	}
}

/** Deeper than any encoding of a batch. */
const DEPTH_MAX = 16;
/** Bytes after the tag that hold a fixed-size value, from 0xca on; null: not of fixed size. */
const SIZES: readonly (number | null)[] = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];

/** Walks over a document without making anything of it. The decoder makes an array as soon as it has read its length, so a
 *  few bytes that promise a million entries, nested, would fill the isolate. Every entry takes a byte: what is promised and
 *  not yet there can never be more than the bytes that are left. */
function structureFault(bytes: Uint8Array, elementsMax: number): string | null {
	const end = bytes.length;
	const view = new DataView(bytes.buffer, bytes.byteOffset, end);
	let at = 0;
	let open = 1;
	let elements = 0;
	// Values still to come in each open container, outermost first.
	const left = [1];
	while (open > 0) {
		if (open > end - at) return `cut off: ${end} bytes, and more values are announced than are there`;
		open--;
		while (left.at(-1) === 0) left.pop();
		left[left.length - 1]!--;
		const tag = bytes[at++]!;
		let skip = 0;
		let entries = 0;
		if (tag <= 0x7f || tag >= 0xe0) continue;
		if (tag <= 0x8f) entries = 2 * (tag & 0x0f);
		else if (tag <= 0x9f) entries = tag & 0x0f;
		else if (tag <= 0xbf) skip = tag & 0x1f;
		else if (tag <= 0xc3) {
			if (tag === 0xc1) return `byte ${at - 1} is no msgpack`;
		} else if (tag >= 0xca && tag <= 0xd3) skip = SIZES[tag - 0xca]!;
		else if (tag >= 0xd4 && tag <= 0xd8) skip = 1 + (1 << (tag - 0xd4));
		else {
			// A length of 1, 2 or 4 bytes: bin and ext from 0xc4, str from 0xd9, array 0xdc, map 0xde.
			const width = lengthWidth(tag);
			if (width > end - at) return `cut off at byte ${end}`;
			const length = width === 1 ? bytes[at]! : width === 2 ? view.getUint16(at) : view.getUint32(at);
			at += width;
			if (tag >= 0xde) entries = 2 * length;
			else if (tag >= 0xdc) entries = length;
			else skip = length + (tag >= 0xc7 && tag <= 0xc9 ? 1 : 0);
		}
		if (skip > end - at) return `cut off at byte ${end}`;
		at += skip;
		if (entries > 0 && left.push(entries) > DEPTH_MAX) return `nested deeper than ${DEPTH_MAX}`;
		open += entries;
		elements += entries;
		if (elements > elementsMax) return `more than ${elementsMax} entries of arrays and maps`;
	}
	return at === end ? null : `${end - at} bytes follow the document`;
}

function lengthWidth(tag: number): number {
	if (tag <= 0xc6) return 1 << (tag - 0xc4);
	if (tag <= 0xc9) return 1 << (tag - 0xc7);
	if (tag <= 0xdb) return 1 << (tag - 0xd9);
	return tag % 2 === 0 ? 2 : 4;
}
