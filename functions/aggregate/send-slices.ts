import type { Segment, Slice } from "./layout.ts";
import { untilTaken, type PullBuffers } from "./pull-buffers.ts";

/** Bytes that are handed over at once, and so all that a client which stops reading holds. */
const PIECE_BYTES = 256 * 2 ** 10;
/** A piece that is not taken within this lets go of its segment, which is read anew when the client goes on. */
const SLOW_MS = 500;

/** Sends slices one after the other. A segment is in memory only while its pieces are taken, and only as many segments of all pulls are as
 *  there is room for. `bytesOf`: what reading one holds. */
export async function sendSlices(
	slices: readonly Slice[],
	read: (segment: Segment) => Promise<Uint8Array>,
	bytesOf: (segment: Segment) => number,
	writer: WritableStreamDefaultWriter<Uint8Array>,
	buffers: PullBuffers,
): Promise<void> {
	for (const { segment, from, to } of slices) {
		for (let at = from; at < to;) {
			const holder = {};
			await untilTaken(buffers, holder, bytesOf(segment));
			let taken: Promise<void>;
			try {
				const bytes = await read(segment);
				for (;;) {
					const end = Math.min(to, at + PIECE_BYTES);
					// A copy: a view would hold all of it.
					taken = writer.write(bytes.slice(at, end));
					at = end;
					if (at === to || (await isSlow(taken))) break;
					buffers.touch(holder, Date.now());
				}
			} finally {
				buffers.give(holder);
			}
			await taken;
		}
	}
}

async function isSlow(taken: Promise<void>): Promise<boolean> {
	const waited = new AbortController();
	try {
		const slow = scheduler.wait(SLOW_MS, { signal: waited.signal }).then(
			() => true,
			() => false,
		);
		return await Promise.race([taken.then(() => false), slow]);
	} finally {
		waited.abort();
	}
}
