import { encode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePost } from "../../../src/shared/kv/events/decode-post.ts";
import type { BlocksStored, EventFault, SequencedBatch } from "../../../src/shared/kv/events/event.ts";
import {
	KV_BATCH_BYTES_MAX,
	KV_BATCH_EVENTS_MAX,
	KV_BATCHES_MAX,
	KV_EVENT_TOKENS_MAX,
} from "../../../src/shared/limits.ts";
import type { Result } from "../../../src/shared/result.ts";

const text = new TextEncoder();
const packed = (value: unknown): Uint8Array => encode(value, { useBigInt64: true });
const json = (value: unknown): Uint8Array => text.encode(JSON.stringify(value));

/** One engine payload in a request's msgpack body. */
const post = (payload: unknown, seq: unknown = 0): Uint8Array =>
	packed({ batches: [{ seq, payload: payload instanceof Uint8Array ? payload : packed(payload) }] });

const TOKENS = Array.from({ length: 32 }, (_, index) => 1_000 + index);
const POSITIONAL = [
	["BlockStored", [11, 12], 10, TOKENS, 16, null, "GPU", "adapter", [["adapter", "salt"], ["adapter"]], 0],
	["BlockRemoved", [11], "CPU"],
	["AllBlocksCleared"],
];
const MAPS = [
	{
		type: "BlockStored",
		block_hashes: [11, 12],
		parent_block_hash: 10,
		token_ids: TOKENS,
		block_size: 16,
		lora_id: null,
		medium: "GPU",
		lora_name: "adapter",
		extra_keys: [["adapter", "salt"], ["adapter"]],
		group_idx: 0,
	},
	{ type: "BlockRemoved", block_hashes: [11], medium: "CPU" },
	{ type: "AllBlocksCleared" },
];
/** vLLM's three, and SGLang's, whose structs end earlier. */
const ENCODINGS = {
	"positional arrays": [1.5, POSITIONAL, 3],
	"an array of maps": [1.5, MAPS, 3],
	"all maps": { ts: 1.5, events: MAPS, data_parallel_rank: 3 },
};

function valueOf(result: Result<SequencedBatch[], EventFault>): SequencedBatch[] {
	if (!result.ok) throw new Error(`${result.error.path}: ${result.error.message}`);
	return result.value;
}

function faultOf(result: Result<SequencedBatch[], EventFault>): EventFault {
	if (result.ok) throw new Error("no fault");
	return result.error;
}

describe("decoding", () => {
	const expected = valueOf(decodePost(post(ENCODINGS["positional arrays"], 7n), "msgpack"));

	test("a batch in full", () => {
		expect(expected).toMatchObject([{ seq: 7, lost: false, batch: { ts: 1.5, rank: 3, unknown: 0 } }]);
		const [stored, removed, cleared] = expected[0]!.batch.events;
		expect(stored).toMatchObject({
			kind: "stored",
			blockSize: 16,
			tier: 0,
			group: 0,
			slidingWindow: false,
			lora: "adapter",
			extras: ['["salt"]', null],
		});
		const { ids, tokens } = stored as BlocksStored;
		expect([...tokens]).toEqual(TOKENS);
		expect(removed).toEqual({ kind: "removed", ids: ids.slice(0, 2), tier: 1, group: 0 });
		expect(cleared).toEqual({ kind: "cleared" });
	});

	test.for(Object.entries(ENCODINGS))("%s mean the same, in msgpack and JSON", ([, batch]) => {
		expect(valueOf(decodePost(post(batch, 7), "msgpack"))).toEqual(expected);
		expect(valueOf(decodePost(packed({ batches: [{ seq: 7, batch }] }), "msgpack"))).toEqual(expected);
		expect(valueOf(decodePost(json({ batches: [{ seq: 7, batch }] }), "json"))).toEqual(expected);
	});

	test("SGLang's shorter structs, signed hashes, no rank", () => {
		const events = [
			["BlockStored", [-5_000_000_000], null, TOKENS.slice(0, 1), 1, null],
			["BlockRemoved", [-5_000_000_000]],
		];
		const [{ batch }] = valueOf(decodePost(post([2, events]), "msgpack")) as [SequencedBatch];
		expect(batch).toMatchObject({
			rank: null,
			events: [
				{ kind: "stored", tier: 0, parent: null },
				{ kind: "removed", tier: 0 },
			],
		});
	});

	test("hashes of every type are ids: equal for equal ones, in every encoding", () => {
		const sha = Uint8Array.from({ length: 32 }, (_, index) => index);
		const hashes = [7, 2n ** 64n - 1n, -(2n ** 63n), sha, sha.subarray(1), "00ff", "00fe"];
		const stored = ["BlockStored", hashes, null, Array(hashes.length * 2).fill(1), 2, null];
		const [{ batch }] = valueOf(decodePost(post([0, [stored, ["BlockRemoved", hashes]]]), "msgpack")) as [
			SequencedBatch,
		];
		const [first, second] = batch.events as [BlocksStored, BlocksStored];
		expect(second.ids).toEqual(first.ids);
		const pairs = hashes.map((_, index) => first.ids.slice(2 * index, 2 * index + 2).join());
		expect(new Set(pairs).size).toBe(hashes.length);
		// JSON has no 64-bit integers: what JSON.parse leaves of one still names the same block.
		const body = text.encode(`{"batches":[{"seq":0,"batch":[0,[["BlockRemoved",[7,18446744073709551615]]]]}]}`);
		const [{ batch: fromJson }] = valueOf(decodePost(body, "json")) as [SequencedBatch];
		expect((fromJson.events[0] as BlocksStored).ids).toEqual(first.ids.slice(0, 4));
	});

	test("the sequence number may be the ZMQ frame itself", () => {
		const frame = Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2);
		expect(valueOf(decodePost(post([0, []], frame), "msgpack"))[0]!.seq).toBe(258);
	});

	test("events of unknown kinds and fields of later versions are passed over", () => {
		const events = [["BlockPinned", 1], { type: "BlockRemoved", block_hashes: [1], medium: "disk", node: "x" }];
		const [{ batch }] = valueOf(decodePost(post([0, events]), "msgpack")) as [SequencedBatch];
		expect(batch).toMatchObject({ unknown: 1, events: [{ kind: "removed", tier: 2 }] });
	});

	test("tiers by medium", () => {
		const media = [null, "GPU", "cpu", "CPU_PINNED", "DISK", "NVME"];
		const events = media.map((medium) => ["BlockRemoved", [1], medium]);
		const [{ batch }] = valueOf(decodePost(post([0, events]), "msgpack")) as [SequencedBatch];
		expect(batch.events.map((event) => (event.kind === "removed" ? event.tier : -1))).toEqual([0, 0, 1, 1, 2, 3]);
	});

	const at = "batches[0].payload.events[0]";
	test.for<[string, unknown, string]>([
		["a batch that is a number", 5, "batches[0].payload"],
		["no time", [null, []], "batches[0].payload.ts"],
		["no events", [0], "batches[0].payload.events"],
		["a rank out of range", [0, [], 256], "batches[0].payload.data_parallel_rank"],
		["an event without a kind", [0, [[1, 2]]], at],
		["a fractional hash", [0, [["BlockRemoved", [1, 0.5]]]], `${at}.block_hashes[1]`],
		["a hash that is a list", [0, [["BlockRemoved", [[1]]]]], `${at}.block_hashes[0]`],
		["an empty hash", [0, [["BlockRemoved", [""]]]], `${at}.block_hashes[0]`],
		["a negative token", [0, [["BlockStored", [1], null, [-1], 1, null]]], `${at}.token_ids[0]`],
		["too few tokens", [0, [["BlockStored", [1, 2], null, [1], 1, null]]], `${at}.token_ids`],
		["a bad block size", [0, [["BlockStored", [1], null, [1], "1", null]]], `${at}.block_size`],
		["a parent of a bad type", [0, [["BlockStored", [1], true, [1], 1, null]]], `${at}.parent_block_hash`],
		[
			"extra keys that are no list",
			[0, [["BlockStored", [1], null, [1], 1, null, null, null, [1]]]],
			`${at}.extra_keys[0]`,
		],
	])("says where: %s", ([, payload, path]) => {
		expect(faultOf(decodePost(post(payload), "msgpack")).path).toBe(path);
	});

	test("names the limit that was exceeded", () => {
		const many = { batches: Array.from({ length: KV_BATCHES_MAX + 1 }, () => ({})) };
		expect(faultOf(decodePost(json(many), "json")).limit).toMatchObject({
			max: KV_BATCHES_MAX,
			found: KV_BATCHES_MAX + 1,
		});
		const events = Array.from({ length: KV_BATCH_EVENTS_MAX + 1 }, () => ["AllBlocksCleared"]);
		expect(faultOf(decodePost(post([0, events]), "msgpack")).limit).toMatchObject({ max: KV_BATCH_EVENTS_MAX });
		const tokens = Array(KV_EVENT_TOKENS_MAX + 1).fill(1);
		const stored = [0, [["BlockStored", [1], null, tokens, tokens.length, null]]];
		// The block size is looked at before the tokens.
		expect(faultOf(decodePost(post(stored), "msgpack")).path).toBe(`${at}.block_size`);
		const longer = [0, [["BlockStored", [1], null, tokens, 16, null]]];
		expect(faultOf(decodePost(post(longer), "msgpack")).limit).toMatchObject({ max: KV_EVENT_TOKENS_MAX });
		const big = new Uint8Array(KV_BATCH_BYTES_MAX + 1);
		expect(faultOf(decodePost(post(big), "msgpack")).limit).toMatchObject({ max: KV_BATCH_BYTES_MAX });
	});

	test("a few bytes that promise much, or nest deeply, are refused before anything is made of them", () => {
		const promise = new Uint8Array(1_000_000);
		for (let at = 0; at + 5 <= promise.length; at += 5) promise.set([0xdd, 0x00, 0x0f, 0x42, 0x40], at);
		const nested = new Uint8Array(1_000_000).fill(0x91);
		for (const bytes of [promise, nested]) {
			expect(faultOf(decodePost(bytes, "msgpack")).path).toBe("body");
			expect(faultOf(decodePost(post(bytes), "msgpack")).path).toBe("batches[0].payload");
		}
		expect(faultOf(decodePost(new Uint8Array(4_000_000).fill(0x5b), "json")).message).toContain("nested");
	});

	test("no bytes and no JSON make it throw", () => {
		const anyJson = fc.jsonValue().map(json);
		fc.assert(
			fc.property(
				fc.uint8Array({ maxLength: 200 }),
				fc.oneof(anyJson, fc.uint8Array({ maxLength: 100 })),
				(bytes, body) => {
					decodePost(bytes, "msgpack");
					decodePost(post(bytes), "msgpack");
					decodePost(body, "json");
				},
			),
			{ numRuns: 2_000 },
		);
		// Bytes near real ones get further.
		const real = post(ENCODINGS["positional arrays"]);
		fc.assert(
			fc.property(fc.nat(real.length - 1), fc.nat(255), fc.nat(real.length), (at, byte, end) => {
				const bytes = real.slice();
				bytes[at] = byte;
				decodePost(bytes, "msgpack");
				decodePost(bytes.subarray(0, end), "msgpack");
			}),
			{ numRuns: 2_000 },
		);
	});
});
