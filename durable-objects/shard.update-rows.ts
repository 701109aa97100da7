import { encodedBytes } from "../src/shared/federated/encoding.ts";
import { free } from "../src/shared/federated/free.ts";
import type { PlannedUpdate } from "../src/shared/federated/messages.ts";
import type { RowUpdate } from "../src/shared/federated/row-pieces.ts";
import type { ShardStagingStore } from "./shard.staging.store.ts";

/** Bytes of updates that are held at once where all are needed side by side. */
const WINDOWS_BYTES = 8 * 2 ** 20;

/** What cannot be computed: what it is computed from is not here, or its numbers leave the range of f32. */
export class Unmakable extends Error {}

export function missing(what: string): never {
	throw new Unmakable(`${what} is not here`);
}

/** The row that begins at parameter `first`, of each of these updates, to be read whole; or `piecewise`, all updates at the same place,
 *  so that not the whole row of every one is in memory, nor read anew for each piece. */
export function updateRows<T extends Omit<PlannedUpdate, "coefficient">>(
	staging: ShardStagingStore,
	updates: readonly T[],
	{ first, length }: { readonly first: number; readonly length: number },
	piecewise: boolean,
): readonly (T & RowUpdate)[] {
	const window = Math.floor(WINDOWS_BYTES / updates.length);
	return updates.map((update) => {
		const { id, encoding } = update;
		const none = (): never => missing(`the row of parameter ${first} of update ${id}`);
		const whole = () => staging.row(id, encoding, first) ?? none();
		const piece = (from: number, to: number) => staging.rowPiece(id, encoding, first, from, to) ?? none();
		if (piecewise) return { ...update, read: windowed(encodedBytes(encoding, length), window, piece) };
		return { ...update, read: whole, release: (bytes) => free([bytes]) };
	});
}

/** Reads pieces of a row of `bytes` bytes out of windows of it. */
function windowed(
	bytes: number,
	window: number,
	read: (from: number, to: number) => Uint8Array,
): (from: number, to: number) => Uint8Array {
	let held: Uint8Array = new Uint8Array(0);
	let start = 0;
	return (from, to) => {
		if (from < start || to > start + held.byteLength) {
			start = from;
			free([held]);
			held = read(from, Math.min(bytes, Math.max(to, from + window)));
		}
		return held.subarray(from - start, to - start);
	};
}
