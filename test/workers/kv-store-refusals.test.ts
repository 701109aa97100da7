import { beforeAll, describe, expect, test } from "vitest";
import { KV_EVENTS_BYTES_MAX, KV_LOOKUP_TOKENS_MAX } from "../../src/shared/limits.ts";
import {
	ask,
	call,
	forget,
	held,
	KEYS,
	keys,
	post,
	prepare,
	send,
	stored,
	TOKENS,
	type Answered,
	type Batch,
} from "./kv-store-support.ts";

beforeAll(prepare);

describe("who may speak", () => {
	const batches = [{ seq: 0, batch: [1, [["AllBlocksCleared"]]] as Batch }];

	test.for<[string, string, string]>([
		["no key", "one/a", ""],
		["a made-up key", "one/a", "Bearer key-of-pool-onf"],
		["another pool's key", "one/a", `Bearer ${KEYS.POOL_TWO_EVENTS}`],
		["a pool without a key", "three/a", `Bearer ${KEYS.POOL_ONE_EVENTS}`],
		["a pool whose secret is not set", "four/a", "Bearer "],
		["a pool that is not there", "none/a", `Bearer ${KEYS.POOL_ONE_EVENTS}`],
		["a replica of another pool behind a pool's name", "two/a", `Bearer ${KEYS.POOL_ONE_EVENTS}`],
	])("%s is refused alike", async ([, replica, authorization]) => {
		const answer = await send(replica, batches, { authorization });
		expect(answer).toMatchObject({ status: 401, body: { error: { code: "pool_key_invalid" } } });
	});

	test("a tenant's key does not open events, nor a pool's key look-ups", async () => {
		expect((await send("one/a", batches, { authorization: `Bearer ${keys.lookup}` })).status).toBe(401);
		expect(await ask({ tokens: [] }, KEYS.POOL_ONE_EVENTS)).toMatchObject({
			status: 401,
			body: { error: { code: "key_invalid" } },
		});
	});

	test("a replica that its pool does not have", async () => {
		expect(await send("one/z", batches)).toMatchObject({ status: 404, body: { error: { code: "replica_not_found" } } });
		expect(await send("one", batches)).toMatchObject({
			status: 400,
			body: { error: { param: "x-isobar-kv-replica" } },
		});
	});

	test("look-ups need a key that may, for a model that it may use", async () => {
		expect(await ask({ tokens: [] }, keys.plain)).toMatchObject({
			status: 403,
			body: { error: { code: "lookup_not_allowed" } },
		});
		expect(await ask({ model: "kv-other", tokens: [] })).toMatchObject({
			status: 403,
			body: { error: { code: "model_not_allowed" } },
		});
		expect(await ask({ model: "kv-none", tokens: [] })).toMatchObject({ status: 404 });
	});
});

describe("bad input", () => {
	const refused = (answer: Answered, status: number, code: string, param?: string) =>
		expect(answer).toMatchObject({ status, body: { error: { code, ...(param !== undefined && { param }) } } });

	test("bodies that are none", async () => {
		refused(await post("one/a", "{", { "content-type": "application/json" }), 400, "invalid_request", "body");
		refused(await post("one/a", Uint8Array.of(0xc1)), 400, "invalid_request", "body");
		refused(await post("one/a", "x", { "content-type": "text/plain" }), 415, "media_type_unsupported");
		refused(await post("one/a", "x", { "content-encoding": "gzip" }), 415, "media_type_unsupported");
		refused(await call("/v1/kv/events", { method: "GET" }), 405, "method_not_allowed");
	});

	test("one bad batch among good ones: it is named, and nothing of the request counts", async () => {
		await forget();
		const good = { seq: 0, batch: [1, [stored([1], null, TOKENS.slice(0, 16))]] as Batch };
		const bad = { seq: 1, batch: [1, [["BlockStored", [{}], null, [], 0]]] as Batch };
		const answer = await send("one/a", [good, bad]);
		refused(answer, 400, "invalid_request", "batches[1].payload.events[0].block_hashes[0]");
		expect(answer.body.error?.details).toEqual({ batch: 1 });
		expect(await held(TOKENS)).toEqual([]);
	});

	test("ranks that contradict each other or are none", async () => {
		const batches = [0, 1].map((seq) => ({ seq, batch: [1, [], seq] as Batch }));
		refused(await send("one/a", batches), 400, "invalid_request", "batches[1].data_parallel_rank");
		refused(await send("one/a", [], { "x-isobar-kv-rank": "-1" }), 400, "invalid_request", "x-isobar-kv-rank");
	});

	test("10 MB of events", async () => {
		const answer = await post("one/a", new Uint8Array(10_000_000));
		refused(answer, 413, "body_too_large");
		expect(answer.body.error?.details).toEqual({ limit_bytes: KV_EVENTS_BYTES_MAX });
	});

	test("the largest request that is allowed reaches the object", async () => {
		await forget();
		// Token ids below 128 take one byte on the way in and four on the way to the object.
		const tokens = Array.from({ length: 100_000 }, () => 5);
		const batch = [
			1,
			[["BlockStored", Array.from({ length: 6_250 }, (_, index) => index), null, tokens, 16, null]],
		] as const;
		const batches = Array.from({ length: 35 }, (_, seq) => ({ seq, batch }));
		expect(await send("one/a", batches)).toMatchObject({ status: 200, body: { applied: 35 } });
		const more = Array.from({ length: 36 }, (_, seq) => ({ seq, batch }));
		const answer = await send("one/a", more);
		refused(answer, 400, "invalid_request", "batches[35]");
		expect(answer.body.error?.details).toMatchObject({ limit: { max: 4_000_000 } });
	});

	test("a million tokens are looked up, and more refused", async () => {
		await forget();
		await send("one/a", [
			{
				seq: 0,
				batch: [
					1,
					[
						stored(
							[1],
							null,
							Array.from({ length: 16 }, () => 3),
						),
					],
				],
			},
		]);
		const tokens = Array.from({ length: KV_LOOKUP_TOKENS_MAX }, () => 3);
		expect((await ask({ tokens, cache_salt: null })).body).toMatchObject({
			prompt_tokens: KV_LOOKUP_TOKENS_MAX,
			data: [{ tokens: 16 }],
		});
		const answer = await ask({ tokens: [...tokens, 3] });
		refused(answer, 400, "invalid_request", "tokens");
		expect(answer.body.error?.details).toMatchObject({ limit: { max: KV_LOOKUP_TOKENS_MAX } });
	});

	test("look-ups of nothing, of two things, and of what is no token", async () => {
		refused(await ask({}), 400, "invalid_request", "tokens");
		refused(await ask({ tokens: [1], prompt: "x" }), 400, "invalid_request", "prompt");
		refused(await ask({ tokens: [1, -1] }), 400, "invalid_request", "tokens[1]");
		refused(await ask({ tokens: "1" }), 400, "invalid_request", "tokens");
		refused(await ask({ tokens: [1], more: 1 }), 400, "invalid_request");
		refused(await call("/v1/kv/stats", { headers: { authorization: `Bearer ${keys.lookup}` } }), 400, "model_missing");
	});
});
