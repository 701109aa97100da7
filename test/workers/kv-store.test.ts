import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import {
	ask,
	forget,
	held,
	MODEL,
	post,
	prepare,
	send,
	SHARDED,
	stats,
	stored,
	TOKENS,
	type Batch,
} from "./kv-store-support.ts";

beforeAll(prepare);
afterEach(() => void vi.restoreAllMocks());

describe("events and look-ups", () => {
	test("what the engines tell of is found, per replica and tier", async () => {
		await forget();
		const first = await send("one/a", [{ seq: 0, batch: [1, [stored([1, 2, 3, 4], null, TOKENS)]] }]);
		expect(first).toEqual({
			status: 200,
			body: {
				object: "kv_events",
				replica: "one/a",
				dp_rank: 0,
				next: 1,
				replay_from: null,
				applied: 1,
				duplicates: 0,
				resets: 0,
				clears: 0,
				unknown: 0,
			},
		});
		await send("one/b", [{ seq: 0, batch: [1, [stored([9, 8], null, TOKENS.slice(0, 32))], 2] }]);
		await send("two/a", [
			{ seq: 0, batch: [1, [stored([1], null, TOKENS.slice(0, 16)), stored([2], 1, TOKENS.slice(16, 32), "CPU")]] },
		]);
		expect(await ask({ tokens: TOKENS, cache_salt: null })).toEqual({
			status: 200,
			body: {
				object: "kv_lookup",
				model: MODEL,
				block_size: 16,
				prompt_tokens: 64,
				data: [
					{ source: "events", replica: "one/a", dp_rank: 0, tokens: 64, tiers: { GPU: 64 } },
					{ source: "events", replica: "one/b", dp_rank: 2, tokens: 32, tiers: { GPU: 32 } },
					{ source: "events", replica: "two/a", dp_rank: 0, tokens: 32, tiers: { GPU: 16 } },
				],
			},
		});
		await send("one/a", [{ seq: 1, batch: [2, [["BlockRemoved", [3], "GPU"]]] }]);
		await send("one/b", [{ seq: 1, batch: [2, [["AllBlocksCleared"]], 2] }]);
		expect(await held(TOKENS)).toMatchObject([{ replica: "one/a", tokens: 32 }, { replica: "two/a" }]);
		expect(await held(TOKENS.toReversed())).toEqual([]);
		expect((await stats()).body).toMatchObject({
			object: "kv_stats",
			model: MODEL,
			entries_max: 262_144,
			ranks: [
				{ replica: "two/a", next: 1, tokens: { GPU: 16, CPU: 16 } },
				{ replica: "one/a", next: 2, tokens: { GPU: 48 } },
				{ replica: "one/b", dp_rank: 2, clears: 1, tokens: {} },
			],
		});
	});

	test("lost batches are asked for, doubled ones do nothing, a restart begins anew", async () => {
		await forget();
		const block = (seq: number) => ({
			seq,
			batch: [10 + seq, [stored([seq + 1], seq === 0 ? null : seq, TOKENS.slice(16 * seq, 16 * seq + 16))]] as Batch,
		});
		expect((await send("one/a", [block(0), block(1), block(3)])).body).toMatchObject({
			next: 2,
			replay_from: 1,
			applied: 2,
		});
		expect(await held(TOKENS)).toMatchObject([{ tokens: 32 }]);
		const replayed = await send("one/a", [block(1), block(2), block(3), block(2)]);
		expect(replayed.body).toMatchObject({ next: 4, replay_from: null, applied: 2, duplicates: 2, resets: 0 });
		expect(await held(TOKENS)).toMatchObject([{ tokens: 64 }]);
		// The engine's buffer does not reach back far enough.
		const lost = await send("one/a", [{ seq: 9, lost: true, batch: [30, [stored([1], null, TOKENS.slice(0, 16))]] }]);
		expect(lost.body).toMatchObject({ next: 10, resets: 1 });
		expect(await held(TOKENS)).toMatchObject([{ tokens: 16 }]);
		// A new life, whose first batch was not seen.
		expect((await send("one/a", [{ seq: 1, batch: [40, []] }])).body).toMatchObject({
			next: 0,
			replay_from: 0,
			resets: 1,
		});
		expect(await held(TOKENS)).toEqual([]);
	});

	test("an object that was evicted asks for everything from the start", async () => {
		await forget();
		await send("one/a", [{ seq: 0, batch: [1, [stored([1], null, TOKENS.slice(0, 16))]] }]);
		await forget();
		expect((await send("one/a", [{ seq: 1, batch: [2, []] }])).body).toMatchObject({ next: 0, replay_from: 0 });
	});

	test("every shard of a model is told, and one that was evicted gets what it lacks", async () => {
		const block = (seq: number) => ({
			seq,
			batch: [10 + seq, [stored([seq + 1], seq === 0 ? null : seq, TOKENS.slice(16 * seq, 16 * seq + 16))]] as Batch,
		});
		const shard = (number: number) =>
			env.SCHEDULER.getByName(schedulerName(SHARDED, { group: "global", shard: number }));
		expect((await send("shards/a", [block(0), block(1)])).body).toMatchObject({ next: 2, replay_from: null });
		await evictDurableObject(shard(1));
		expect((await send("shards/a", [block(2)])).body).toMatchObject({ next: 0, replay_from: 0 });
		expect((await send("shards/a", [block(0), block(1), block(2)])).body).toMatchObject({ next: 3, replay_from: null });
		for (const number of [0, 1]) {
			const { ranks } = await shard(number).kvStats(SHARDED, 1);
			expect(ranks).toMatchObject([{ replica: "shards/a", next: 3, resets: 0, tokens: { GPU: 48 } }]);
		}
		const asked = await ask({ model: SHARDED, tokens: TOKENS, cache_salt: null });
		expect(asked.body["data"]).toMatchObject([{ replica: "shards/a", tokens: 48 }]);
	});

	test("JSON serves as well", async () => {
		await forget();
		const event = {
			type: "BlockStored",
			block_hashes: ["0xab"],
			parent_block_hash: null,
			token_ids: TOKENS.slice(0, 16),
			block_size: 16,
		};
		const body = JSON.stringify({ batches: [{ seq: 0, batch: { ts: 1, events: [event], data_parallel_rank: 1 } }] });
		const answer = await post("one/b", body, {
			"content-type": "application/json; charset=utf-8",
			"x-isobar-kv-topic": "kv@b@m",
		});
		expect(answer).toMatchObject({ status: 200, body: { dp_rank: 1, applied: 1 } });
		expect(await held(TOKENS)).toMatchObject([{ replica: "one/b", dp_rank: 1, tokens: 16 }]);
		expect((await stats()).body).toMatchObject({ ranks: [{ topic: "kv@b@m" }] });
	});

	test("a text is tokenised by a replica that sends events, and by none where none does", async () => {
		await forget();
		const asked: { url: string; body: unknown }[] = [];
		vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
			asked.push({ url: input as string, body: JSON.parse(init?.body as string) });
			return asked.length === 1 ? new Response("busy", { status: 503 }) : Response.json({ tokens: TOKENS });
		});
		expect((await ask({ prompt: "hello" })).body).toMatchObject({ prompt_tokens: null, data: [] });
		expect(asked).toEqual([]);
		for (const replica of ["one/a", "two/a"])
			await send(replica, [{ seq: 0, batch: [1, [stored([1], null, TOKENS.slice(0, 16))]] }]);
		const messages = [{ role: "user", content: "hello" }];
		expect((await ask({ messages, cache_salt: null })).body).toMatchObject({
			prompt_tokens: 64,
			data: [{ tokens: 16 }, { tokens: 16 }],
		});
		expect(asked).toEqual([
			{ url: "http://a.two.test/tokenize", body: { model: MODEL, messages } },
			{ url: "http://a.one.test/tokenize", body: { model: MODEL, messages } },
		]);
		vi.mocked(fetch).mockRejectedValue(new Error("no route"));
		expect(await ask({ prompt: "hello" })).toMatchObject({
			status: 503,
			body: { error: { code: "tokenizer_unavailable" } },
		});
	});

	test("without a salt in the question it is that of the key, at pools that part their caches", async () => {
		await forget();
		const event = (salt: string) => ["BlockStored", [1], null, TOKENS.slice(0, 16), 16, null, "GPU", null, [[salt]]];
		await send("one/a", [{ seq: 0, batch: [1, [event("isobar:tenant:kv:")]] }]);
		await send("one/b", [{ seq: 0, batch: [1, [event("isobar:tenant:kv-plain:")]] }]);
		await send("two/a", [{ seq: 0, batch: [1, [stored([1], null, TOKENS.slice(0, 16))]] }]);
		expect((await ask({ tokens: TOKENS })).body["data"]).toMatchObject([{ replica: "one/a" }, { replica: "two/a" }]);
	});

	test("a salted prompt is found with its salt only, an adapter's with its adapter only", async () => {
		await forget();
		const salted = ["BlockStored", [1], null, TOKENS.slice(0, 16), 16, null, "GPU", null, [["s1"]]];
		const adapted = ["BlockStored", [1], null, TOKENS.slice(0, 16), 16, 1, "GPU", "poet", [["poet"]]];
		await send("one/a", [{ seq: 0, batch: [1, [salted]] }]);
		await send("one/b", [{ seq: 0, batch: [1, [adapted]] }]);
		expect(await held(TOKENS)).toEqual([]);
		expect((await ask({ tokens: TOKENS, cache_salt: "s2" })).body["data"]).toEqual([]);
		expect((await ask({ tokens: TOKENS, cache_salt: "s1" })).body["data"]).toMatchObject([{ replica: "one/a" }]);
		expect((await ask({ tokens: TOKENS, lora_name: "poet", cache_salt: null })).body["data"]).toMatchObject([
			{ replica: "one/b" },
		]);
	});
});
