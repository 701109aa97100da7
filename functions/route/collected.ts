import { passedOn } from "./passed-on.ts";
import { concat } from "./read-up-to.ts";

/** A body as it is, of which a copy is kept: told once, with null where it broke off, nobody read on, or it was longer than
 *  `bytesMax`. */
export function collected(
	body: ReadableStream<Uint8Array>,
	bytesMax: number,
	onEnd: (whole: Uint8Array | null) => void,
): ReadableStream<Uint8Array> {
	let chunks: Uint8Array[] | null = [];
	let size = 0;
	return passedOn(
		body,
		(end) => onEnd(end === "whole" && chunks ? concat(chunks, size) : null),
		(chunk) => {
			size += chunk.byteLength;
			if (size > bytesMax) chunks = null;
			chunks?.push(chunk.slice());
		},
	);
}
