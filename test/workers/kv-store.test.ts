import { createExecutionContext, evictDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { encode } from "@msgpack/msgpack";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { kvStoreApp } from "../../functions/kv-store/index.ts";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import { KV_EVENTS_BYTES_MAX, KV_LOOKUP_TOKENS_MAX } from "../../src/shared/limits.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { admin } from "./admin-support.ts";

const MODEL = "kv-m";
const KEYS = { POOL_ONE_EVENTS: "key-of-pool-one", POOL_TWO_EVENTS: "key-of-pool-two" };
const pool = {
	model: MODEL,
	engine: "vllm",
	place: { provider: "x", region: "eu" },
	price: { per: "million_tokens", input: 1, output: 2 },
};

let key = "";
let plainKey = "";

beforeAll(async () => {
	const catalog = catalogSchema.parse({
		models: [
			{ id: MODEL, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 },
			{ id: "kv-other", context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 },
		],
		pools: [
			{
				...pool,
				id: "one",
				events_secret: "POOL_ONE_EVENTS",
				replicas: ["a", "b"].map((id) => ({ id, url: `http://${id}.one.test` })),
			},
			{
				...pool,
				id: "two",
				cache_salt: false,
				events_secret: "POOL_TWO_EVENTS",
				replicas: [{ id: "a", url: "http://a.two.test" }],
			},
			{ ...pool, id: "three", replicas: [{ id: "a", url: "http://a.three.test" }] },
			{ ...pool, id: "four", events_secret: "NOT_SET", replicas: [{ id: "a", url: "http://a.four.test" }] },
		],
	});
	expect(await new CatalogStore(env.CATALOG).put({ catalog, basedOn: 0, now: 0 })).toMatchObject({ ok: true });
	isolateCatalog(env).invalidate();
	key = (await admin("POST", "/admin/keys", { tenant: "kv", kv_lookup: true, allowed_models: [MODEL] })).body.key;
	plainKey = (await admin("POST", "/admin/keys", { tenant: "kv-plain" })).body.key;
});
afterEach(() => void vi.restoreAllMocks());

interface Answered {
	readonly status: number;
	readonly body: Record<string, unknown> & {
		readonly error?: { code: string; param: string | null; message: string; details?: Record<string, unknown> };
	};
}

async function call(path: string, init: RequestInit): Promise<Answered> {
	const ctx = createExecutionContext();
	const response = await kvStoreApp.request(`https://gateway.test${path}`, init, { ...env, ...KEYS }, ctx);
	const answered = { status: response.status, body: (await response.json()) as Answered["body"] };
	await waitOnExecutionContext(ctx);
	return answered;
}

type Batch = readonly [ts: number, events: readonly unknown[], rank?: number];
interface Sent {
	readonly seq: number;
	readonly batch: Batch;
	readonly lost?: boolean;
}

function send(replica: string, batches: readonly Sent[], headers: Record<string, string> = {}): Promise<Answered> {
	const body = encode({
		batches: batches.map(({ seq, batch, lost }) => ({ seq, payload: encode(batch), ...(lost && { lost }) })),
	});
	return post(replica, body, headers);
}

function post(replica: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Answered> {
	const poolKey = replica.startsWith("two") ? KEYS.POOL_TWO_EVENTS : KEYS.POOL_ONE_EVENTS;
	return call("/v1/kv/events", {
		method: "POST",
		body,
		headers: {
			authorization: `Bearer ${poolKey}`,
			"content-type": "application/msgpack",
			"x-isobar-kv-replica": replica,
			...headers,
		},
	});
}

const TOKENS = Array.from({ length: 64 }, (_, index) => index * 7);
const stored = (hashes: readonly number[], parent: number | null, tokens: readonly number[], medium = "GPU") => [
	"BlockStored",
	hashes,
	parent,
	tokens,
	16,
	null,
	medium,
];

function ask(body: object, as = key): Promise<Answered> {
	return call("/v1/kv/lookup", {
		method: "POST",
		headers: { authorization: `Bearer ${as}`, "content-type": "application/json" },
		body: JSON.stringify({ model: MODEL, ...body }),
	});
}

/** Of prompts that the engine was given without a salt. */
const held = async (tokens: readonly number[]) => (await ask({ tokens, cache_salt: null })).body["data"];
const stats = () => call(`/v1/kv/stats?model=${MODEL}`, { headers: { authorization: `Bearer ${key}` } });

/** A fresh object: nothing of the test before. */
async function forget(): Promise<void> {
	// Only one that runs can be evicted.
	await stats();
	await evictDurableObject(env.SCHEDULER.getByName(schedulerName(MODEL)));
}

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
		await send("one/a", [{ seq: 0, batch: [1, [event("isobar:tenant:kv")]] }]);
		await send("one/b", [{ seq: 0, batch: [1, [event("isobar:tenant:kv-plain")]] }]);
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
		expect((await send("one/a", batches, { authorization: `Bearer ${key}` })).status).toBe(401);
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
		expect(await ask({ tokens: [] }, plainKey)).toMatchObject({
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
		refused(await call("/v1/kv/stats", { headers: { authorization: `Bearer ${key}` } }), 400, "model_missing");
	});
});
