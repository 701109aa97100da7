import { createExecutionContext, evictDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { encode } from "@msgpack/msgpack";
import { expect } from "vitest";
import { kvStoreApp } from "../../functions/kv-store/index.ts";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { admin } from "./admin-support.ts";

export const MODEL = "kv-m";
/** Divided among two schedulers. */
export const SHARDED = "kv-sharded";
export const KEYS = { POOL_ONE_EVENTS: "key-of-pool-one", POOL_TWO_EVENTS: "key-of-pool-two" };
const pool = {
	model: MODEL,
	engine: "vllm",
	place: { provider: "x", region: "eu" },
	price: { per: "million_tokens", input: 1, output: 2 },
};

/** May look up the two models; may not look up. */
export const keys = { lookup: "", plain: "" };

/** Puts the catalog and makes the keys. Once a file, since its storage is empty. */
export async function prepare(): Promise<void> {
	const catalog = catalogSchema.parse({
		models: [
			{ id: MODEL, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 },
			{ id: SHARDED, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8, scheduler_shards: 2 },
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
			{
				...pool,
				id: "shards",
				model: SHARDED,
				events_secret: "POOL_ONE_EVENTS",
				replicas: [{ id: "a", url: "http://a.shards.test" }],
			},
			{ ...pool, id: "three", replicas: [{ id: "a", url: "http://a.three.test" }] },
			{ ...pool, id: "four", events_secret: "NOT_SET", replicas: [{ id: "a", url: "http://a.four.test" }] },
		],
	});
	expect(await new CatalogStore(env.CATALOG).put({ catalog, basedOn: 0, now: 0 })).toMatchObject({ ok: true });
	isolateCatalog(env).invalidate();
	keys.lookup = (
		await admin("POST", "/admin/keys", { tenant: "kv", kv_lookup: true, allowed_models: [MODEL, SHARDED] })
	).body.key;
	keys.plain = (await admin("POST", "/admin/keys", { tenant: "kv-plain" })).body.key;
}

export interface Answered {
	readonly status: number;
	readonly body: Record<string, unknown> & {
		readonly error?: { code: string; param: string | null; message: string; details?: Record<string, unknown> };
	};
}

export async function call(path: string, init: RequestInit): Promise<Answered> {
	const ctx = createExecutionContext();
	const response = await kvStoreApp.request(`https://gateway.test${path}`, init, { ...env, ...KEYS }, ctx);
	const answered = { status: response.status, body: (await response.json()) as Answered["body"] };
	await waitOnExecutionContext(ctx);
	return answered;
}

export type Batch = readonly [ts: number, events: readonly unknown[], rank?: number];
interface Sent {
	readonly seq: number;
	readonly batch: Batch;
	readonly lost?: boolean;
}

export function send(
	replica: string,
	batches: readonly Sent[],
	headers: Record<string, string> = {},
): Promise<Answered> {
	const body = encode({
		batches: batches.map(({ seq, batch, lost }) => ({ seq, payload: encode(batch), ...(lost && { lost }) })),
	});
	return post(replica, body, headers);
}

export function post(replica: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Answered> {
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

export const TOKENS = Array.from({ length: 64 }, (_, index) => index * 7);
export const stored = (hashes: readonly number[], parent: number | null, tokens: readonly number[], medium = "GPU") => [
	"BlockStored",
	hashes,
	parent,
	tokens,
	16,
	null,
	medium,
];

export function ask(body: object, as = keys.lookup): Promise<Answered> {
	return call("/v1/kv/lookup", {
		method: "POST",
		headers: { authorization: `Bearer ${as}`, "content-type": "application/json" },
		body: JSON.stringify({ model: MODEL, ...body }),
	});
}

/** Of prompts that the engine was given without a salt. */
export const held = async (tokens: readonly number[]) => (await ask({ tokens, cache_salt: null })).body["data"];
export const stats = () => call(`/v1/kv/stats?model=${MODEL}`, { headers: { authorization: `Bearer ${keys.lookup}` } });

/** A fresh object: nothing of the test before. */
export async function forget(): Promise<void> {
	// Only one that runs can be evicted.
	await stats();
	await evictDurableObject(env.SCHEDULER.getByName(schedulerName(MODEL)));
}
