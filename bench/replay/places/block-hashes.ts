import { combine } from "../../../test/simulator/random.ts";
import type { TraceRequest } from "../trace.ts";

/** A trace's blocks as the chain hashes that an isolate would send: two words a block. */
export function chainOf({ blocks }: TraceRequest): Uint32Array {
	const words = new Uint32Array(2 * blocks.length);
	blocks.forEach((id, index) => {
		words[2 * index] = combine(id, 1);
		words[2 * index + 1] = combine(id, 2);
	});
	return words;
}
