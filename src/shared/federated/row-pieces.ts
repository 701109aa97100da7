import { decode } from "./decode.ts";
import { encodedBytes, type Encoding } from "./encoding.ts";

/** Parameters of which all updates are seen at once: 4 MiB for 64 updates. A multiple of the int8 block and of the chunks in which
 *  inner products are summed. */
const PIECE = 16_384;

/** An update's row in a flush. */
export interface RowUpdate {
	readonly encoding: Encoding;
	/** Bytes `begin` to `end` of the row as it was sent: the whole row, or a piece of it where all updates are seen at once. The
	 *  answers to four calls are held at once at most. */
	readonly read: (begin: number, end: number) => Uint8Array;
	/** Told of an answer that is done with. */
	readonly release?: (bytes: Uint8Array) => void;
}

/** Goes through a row piece by piece, with the values of all updates at each; the arrays are the same at every call. */
export function eachPiece(
	updates: readonly RowUpdate[],
	parameters: number,
	each: (rows: readonly Float32Array[], begin: number) => void,
): void {
	const values = updates.map(() => new Float32Array(Math.min(PIECE, parameters)));
	for (let begin = 0; begin < parameters; begin += PIECE) {
		const end = Math.min(parameters, begin + PIECE);
		const rows = values.map((all, i) => {
			const row = all.subarray(0, end - begin);
			decode(updates[i]!.encoding, encodedRow(updates[i]!, begin, end), row);
			return row;
		});
		each(rows, begin);
	}
}

/** Parameters `begin` to `end` of an update's row, as they were sent; `begin` is a multiple of 256. */
export function encodedRow({ encoding, read }: RowUpdate, begin: number, end: number): Uint8Array {
	const [from, to] = [encodedBytes(encoding, begin), encodedBytes(encoding, end)];
	const bytes = read(from, to);
	if (bytes.length !== to - from) throw new RangeError(`asked for ${to - from} bytes of a row, got ${bytes.length}`);
	return bytes;
}
