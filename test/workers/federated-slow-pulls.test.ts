import { expect, test } from "vitest";
import { segmentsOf, slicesOf } from "../../functions/aggregate/layout.ts";
import { PullBuffers } from "../../functions/aggregate/pull-buffers.ts";
import { sendSlices } from "../../functions/aggregate/send-slices.ts";
import { ROW_PARAMETERS } from "../../src/shared/federated/sizes.ts";

/** Three segments of 4 MiB. */
const SEGMENTS = segmentsOf([{ shard: 0, begin: 0, end: 12 * ROW_PARAMETERS }], "f32");
const BYTES = 12 * ROW_PARAMETERS * 4;
const SEGMENT = BYTES / 3;

test("pulls hold no more than their share, those that nobody reads nothing, and all get their bytes", async () => {
	const buffers = new PullBuffers(2 * SEGMENT);
	let [reads, most] = [0, 0];
	const read = async ({ row }: { row: number }): Promise<Uint8Array> => {
		reads++;
		most = Math.max(most, buffers.held);
		return new Uint8Array(SEGMENT).fill(1 + row);
	};
	const pull = (): ReadableStream<Uint8Array> => {
		const { readable, writable } = new FixedLengthStream(BYTES - 10);
		const writer = writable.getWriter();
		const slices = slicesOf(SEGMENTS, { first: 5, last: BYTES - 6 });
		void sendSlices(slices, read, ({ bytes }) => bytes, writer, buffers).then(() => writer.close());
		return readable;
	};
	const slow = Array.from({ length: 6 }, pull);
	// Each has had its turn, and holds but the piece that waits.
	await expect.poll(() => [reads, buffers.held], { timeout: 5_000 }).toEqual([6, 0]);
	const fast = new Uint8Array(await new Response(pull()).arrayBuffer());
	expect(fast.length).toBe(BYTES - 10);
	for (const [at, value] of [
		[0, 1],
		[SEGMENT - 6, 1],
		[SEGMENT - 5, 5],
		[2 * SEGMENT - 5, 9],
		[BYTES - 11, 9],
	] as const) {
		expect(fast[at]).toBe(value);
	}
	const digest = async (bytes: ArrayBuffer) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
	const expected = await digest(fast.buffer);
	for (const each of slow) expect(await digest(await new Response(each).arrayBuffer())).toEqual(expected);
	expect(most).toBeLessThanOrEqual(2 * SEGMENT);
	expect(buffers.held).toBe(0);
});

test("what a request held that was cut off is free again after a while", () => {
	const buffers = new PullBuffers(10);
	expect(buffers.take({}, 8, 0)).toBe(true);
	expect(buffers.take({}, 8, 5_000)).toBe(false);
	expect(buffers.take({}, 8, 10_001)).toBe(true);
});
