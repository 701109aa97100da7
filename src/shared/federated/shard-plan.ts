import { encodedBytes, type Encoding } from "./encoding.ts";
import { PART_BYTES_MAX, ROW_PARAMETERS } from "./sizes.ts";

/** A range of a model's parameters; `begin` is a multiple of 2^18. */
export interface ParameterRange {
	readonly begin: number;
	/** One past the last. */
	readonly end: number;
}

export interface ShardRange extends ParameterRange {
	readonly shard: number;
}

/** A piece of an update as it is sent: whole rows of one shard, but for the model's last row. */
export interface Part extends ParameterRange {
	/** Counts from 0 through all shards. */
	readonly part: number;
	readonly shard: number;
	readonly bytes: number;
}

/** Cuts a model into shards of `shardParameters` (a multiple of 2^18); the last one has the rest. */
export function shardsOf(parameters: number, shardParameters: number): readonly ShardRange[] {
	const shards: ShardRange[] = [];
	for (let begin = 0; begin < parameters; begin += shardParameters) {
		shards.push({ shard: shards.length, begin, end: Math.min(parameters, begin + shardParameters) });
	}
	return shards;
}

/** How many rows a range has that begins at one. */
export function rowCount({ begin, end }: ParameterRange): number {
	return rowAt(end - 1) - rowAt(begin) + 1;
}

/** The rows of a shard, or of any range that begins at one. Row numbers of a model count from its first parameter. */
export function rowsOf({ begin, end }: ParameterRange): readonly ParameterRange[] {
	const rows: ParameterRange[] = [];
	for (let at = begin; at < end; at += ROW_PARAMETERS)
		rows.push({ begin: at, end: Math.min(end, at + ROW_PARAMETERS) });
	return rows;
}

/** The number in its model of the row that holds this parameter. */
export function rowAt(parameter: number): number {
	return Math.floor(parameter / ROW_PARAMETERS);
}

/** Rows of a part in this encoding: as many as 8 MiB hold. */
export function rowsPerPart(encoding: Encoding): number {
	return Math.floor(PART_BYTES_MAX / encodedBytes(encoding, ROW_PARAMETERS));
}

/** The parts in which an update of these shards is sent. A part never crosses a shard. */
export function partsOf(shards: readonly ShardRange[], encoding: Encoding): readonly Part[] {
	const step = rowsPerPart(encoding) * ROW_PARAMETERS;
	const parts: Part[] = [];
	for (const { shard, begin, end } of shards) {
		for (let at = begin; at < end; at += step) {
			const stop = Math.min(end, at + step);
			parts.push({ part: parts.length, shard, begin: at, end: stop, bytes: encodedBytes(encoding, stop - at) });
		}
	}
	return parts;
}

/** The rows of a part and where their bytes stand in it. */
export function rowsInPart(
	part: ParameterRange,
	encoding: Encoding,
): readonly (ParameterRange & { readonly byteBegin: number; readonly byteEnd: number })[] {
	let byteEnd = 0;
	return rowsOf(part).map(({ begin, end }) => {
		const byteBegin = byteEnd;
		byteEnd += encodedBytes(encoding, end - begin);
		return { begin, end, byteBegin, byteEnd };
	});
}
