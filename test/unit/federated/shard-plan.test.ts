import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ENCODINGS, encodedBytes } from "../../../src/shared/federated/encoding.ts";
import { partsOf, rowAt, rowsInPart, rowsOf, rowsPerPart, shardsOf } from "../../../src/shared/federated/shard-plan.ts";
import { PART_BYTES_MAX, ROW_BYTES, ROW_PARAMETERS } from "../../../src/shared/federated/sizes.ts";

const plans = fc.record({
	parameters: fc.integer({ min: 1, max: 200 * ROW_PARAMETERS }),
	shardParameters: fc.integer({ min: 1, max: 80 }).map((rows) => rows * ROW_PARAMETERS),
	encoding: fc.constantFrom(...ENCODINGS),
});

test("shards, parts and rows each hold every parameter once, in order", () => {
	fc.assert(
		fc.property(plans, ({ parameters, shardParameters, encoding }) => {
			const shards = shardsOf(parameters, shardParameters);
			const parts = partsOf(shards, encoding);
			const rows = parts.flatMap((part) => rowsInPart(part, encoding));
			for (const ranges of [shards, parts, rows]) {
				let at = 0;
				for (const { begin, end } of ranges) {
					expect(begin).toBe(at);
					expect(end).toBeGreaterThan(begin);
					at = end;
				}
				expect(at).toBe(parameters);
			}
			expect(rows.map(({ begin, end }) => ({ begin, end }))).toEqual(rowsOf({ begin: 0, end: parameters }));
		}),
	);
});

test("a part is at most 8 MiB, lies in one shard, and its rows fill it", () => {
	fc.assert(
		fc.property(plans, ({ parameters, shardParameters, encoding }) => {
			const shards = shardsOf(parameters, shardParameters);
			for (const [index, part] of partsOf(shards, encoding).entries()) {
				const shard = shards[part.shard]!;
				expect(part.part).toBe(index);
				expect(part.begin).toBeGreaterThanOrEqual(shard.begin);
				expect(part.end).toBeLessThanOrEqual(shard.end);
				expect(part.bytes).toBeLessThanOrEqual(PART_BYTES_MAX);
				expect(part.bytes).toBe(encodedBytes(encoding, part.end - part.begin));
				const rows = rowsInPart(part, encoding);
				expect(rows.at(-1)!.byteEnd).toBe(part.bytes);
				for (const { begin, byteBegin, byteEnd } of rows) {
					expect(begin % ROW_PARAMETERS).toBe(0);
					expect(byteEnd - byteBegin).toBeLessThanOrEqual(ROW_BYTES);
				}
			}
		}),
	);
});

test("the sizes that clients read in the documents", () => {
	expect(Object.fromEntries(ENCODINGS.map((encoding) => [encoding, rowsPerPart(encoding)]))).toEqual({
		f32: 8,
		f16: 16,
		bf16: 16,
		int8: 31,
	});
	expect(encodedBytes("int8", ROW_PARAMETERS)).toBe(266_240);
	expect([0, ROW_PARAMETERS - 1, ROW_PARAMETERS].map(rowAt)).toEqual([0, 0, 1]);
});
