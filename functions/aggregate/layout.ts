import { encodedBytes, type Encoding } from "../../src/shared/federated/encoding.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";
import type { ByteRange } from "./byte-range.ts";

/** Rows that are read, encoded and cached together: 4 MiB of f32. A shard that is no multiple of it ends with a shorter one. */
export const SEGMENT_ROWS = 4;

/** Rows of one shard; both are counted from the shard's first. */
export interface Segment {
	readonly shard: number;
	readonly row: number;
	readonly rows: number;
	/** Bytes of it, encoded. */
	readonly bytes: number;
}

/** A segment, and which of its bytes a range asks for: from `from` to before `to`. */
export interface Slice {
	readonly segment: Segment;
	readonly from: number;
	readonly to: number;
}

/** The segments of these shards in an encoding, in order. */
export function segmentsOf(
	shards: readonly { readonly shard: number; readonly begin: number; readonly end: number }[],
	encoding: Encoding,
): readonly Segment[] {
	return shards.flatMap(({ shard, begin, end }) => {
		const segments: Segment[] = [];
		const step = SEGMENT_ROWS * ROW_PARAMETERS;
		for (let at = begin; at < end; at += step) {
			const parameters = Math.min(end, at + step) - at;
			segments.push({
				shard,
				row: (at - begin) / ROW_PARAMETERS,
				rows: Math.ceil(parameters / ROW_PARAMETERS),
				bytes: encodedBytes(encoding, parameters),
			});
		}
		return segments;
	});
}

/** The pieces of segments that make up these bytes of them all. */
export function slicesOf(segments: readonly Segment[], { first, last }: ByteRange): readonly Slice[] {
	const slices: Slice[] = [];
	let start = 0;
	for (const segment of segments) {
		const from = Math.max(0, first - start);
		const to = Math.min(segment.bytes, last + 1 - start);
		if (from < to) slices.push({ segment, from, to });
		start += segment.bytes;
	}
	return slices;
}
