import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type { KvPort } from "../../src/shared/kv/events/messages.ts";
import type { AssignRequest, Ended, SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { assignOne } from "../support/assign-one.ts";
import { assignRequest } from "../support/assign-request.ts";

const MODEL = "prefixes-m";
/** Its replicas hold half a million blocks each. */
const LARGE = "prefixes-large";
const REPLICAS = ["a", "b", "c"];
const PROMPT_BYTES = 40_000;
const BLOCK = 512;

async function putCatalog(basedOn: number, urlOf: (id: string) => string, ids = REPLICAS): Promise<void> {
	const catalog = catalogSchema.parse({
		models: [
			{
				id: MODEL,
				context_length: 131_072,
				capabilities: ["chat"],
				parameters_billion: 8,
				kv_bytes_per_token: 131_072,
			},
			{ id: LARGE, context_length: 131_072, capabilities: ["chat"], parameters_billion: 8, kv_bytes_per_token: 500 },
		],
		pools: [
			{
				id: "p",
				model: MODEL,
				engine: "vllm",
				gpu: { type: "L40S" },
				place: { provider: "x", region: "eu" },
				price: { per: "gpu_hour", usd: 1 },
				replicas: ids.map((id) => ({ id, url: urlOf(id) })),
			},
			{
				id: "large",
				model: LARGE,
				engine: "vllm",
				gpu: { type: "H100" },
				place: { provider: "x", region: "eu" },
				price: { per: "gpu_hour", usd: 1 },
				replicas: ["a", "b"].map((id) => ({ id, url: `http://large-${id}.test` })),
			},
		],
	});
	expect(await new CatalogStore(env.CATALOG).put({ catalog, basedOn, now: 0 })).toMatchObject({ ok: true });
}

beforeAll(() => putCatalog(0, (id) => `http://${id}.test`));

/** What the engines say in their metrics. */
let startedAt: Record<string, number> = {};
let generated = 0;

beforeEach(() => {
	startedAt = Object.fromEntries(REPLICAS.map((id) => [id, 1_700_000_000]));
	generated = 1_000;
	vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
		const url = new URL(input instanceof Request ? input.url : input);
		if (url.pathname !== "/metrics") return new Response("ok");
		const start = startedAt[url.hostname.split(".")[0]!];
		const counter = `vllm:generation_tokens_total{engine="0",model_name="m"} ${generated}`;
		return new Response(start === undefined ? counter : `${counter}\nprocess_start_time_seconds ${start}\n`);
	});
});
afterEach(() => void vi.restoreAllMocks());

let serial = 0;

function scheduler(model = MODEL): { stub: DurableObjectStub; port: SchedulerPort & KvPort } {
	const stub = env.SCHEDULER.getByName(`${schedulerName(model)}/prefixes-${++serial}`);
	return { stub, port: stub };
}

/** The chain of a conversation with so many blocks. */
function chain(conversation: number, blocks = PROMPT_BYTES / BLOCK): Uint32Array {
	return Uint32Array.from(
		{ length: 2 * Math.floor(blocks) },
		(_, i) => Math.imul(conversation + 1, 0x9e3779b1) ^ (i << 8),
	);
}

function request(prefix: Uint32Array, model = MODEL): AssignRequest {
	return assignRequest({
		reservation: `prefixes-${++serial}`,
		model,
		promptBytes: PROMPT_BYTES,
		outputTokensMax: 100,
		choiceTokensMax: 100,
		prefix,
		prefixUnit: { of: "bytes", count: BLOCK },
	});
}

/** Asks, and says at once that it went well: where it was sent, and how much of it was expected there. */
async function serve(port: SchedulerPort, prefix: Uint32Array): Promise<{ replica: string; cached: number }> {
	const asked = request(prefix);
	const { reply } = await assignOne(port, asked);
	if (reply.kind !== "assigned") throw new Error(`not assigned: ${reply.kind}`);
	const { replica, expectedCachedTokens: cached = 0 } = reply.ranked[0]!;
	const ended: Ended = {
		reservation: asked.reservation,
		outcome: "ok",
		ttft: 0.2,
		seconds: 1,
		promptTokens: PROMPT_BYTES / 4,
		cachedTokens: cached,
		outputTokens: 50,
	};
	await port.mail({ first: [], ended: [ended], renewals: [] });
	return { replica, cached };
}

describe("what replicas hold", () => {
	test("is found again by the next turn, outlives the object, and is lost with its rows at the cost of hits alone", async () => {
		const { stub, port } = scheduler();
		const first = await serve(port, chain(1));
		expect(first.cached).toBe(0);
		const second = await serve(port, chain(1));
		expect(second.replica).toBe(first.replica);
		expect(second.cached).toBeGreaterThan(5_000);

		expect(await runDurableObjectAlarm(stub)).toBe(true);
		await evictDurableObject(stub);
		const third = await serve(port, chain(1));
		expect(third.replica).toBe(first.replica);
		expect(third.cached).toBeGreaterThan(5_000);

		await runInDurableObject(stub, (_, state) => void state.storage.sql.exec("DELETE FROM prefixes"));
		await evictDurableObject(stub);
		expect((await serve(port, chain(1))).cached).toBe(0);
	});

	test("is forgotten when the engine's start time moves, of that replica alone", async () => {
		const { stub, port } = scheduler();
		const conversations = [1, 2, 3, 4, 5, 6];
		const at = new Map<number, string>();
		for (const conversation of conversations) at.set(conversation, (await serve(port, chain(conversation))).replica);
		await runDurableObjectAlarm(stub);
		const restarted = at.get(1)!;
		startedAt[restarted.split("/")[1]!]! += 60;
		await serve(port, chain(99));
		await runDurableObjectAlarm(stub);
		const look = await Promise.all(
			conversations.map(async (conversation) => {
				const { reply } = await assignOne(port, request(chain(conversation)));
				return reply.kind === "assigned" ? (reply.ranked[0]!.expectedCachedTokens ?? 0) : -1;
			}),
		);
		for (const [i, conversation] of conversations.entries()) {
			if (at.get(conversation) === restarted) expect(look[i]).toBe(0);
			else expect(look[i]).toBeGreaterThan(5_000);
		}
	});

	test("is forgotten when the counters of an engine that tells no start time go back", async () => {
		const { stub, port } = scheduler();
		startedAt = {};
		await serve(port, chain(1));
		await runDurableObjectAlarm(stub);
		generated = 2_000;
		expect((await serve(port, chain(1))).cached).toBeGreaterThan(5_000);
		await runDurableObjectAlarm(stub);
		expect((await serve(port, chain(1))).cached).toBeGreaterThan(5_000);
		generated = 5;
		await runDurableObjectAlarm(stub);
		expect((await serve(port, chain(1))).cached).toBe(0);
	});
});

describe("metrics do not show a restart that was none", () => {
	const counter = (engine: number, value: number) => `vllm:generation_tokens_total{engine="${engine}"} ${value}\n`;

	/** Serves, looks at the metrics as `answers` has them, one after another, and serves again: what was still held. */
	async function heldAfter(answers: (() => Promise<Response>)[]): Promise<number> {
		const { stub, port } = scheduler();
		const { replica } = await serve(port, chain(1));
		let asked = 0;
		vi.mocked(globalThis.fetch).mockImplementation(async (input) => {
			const { hostname } = new URL(input instanceof Request ? input.url : input);
			if (hostname !== `${replica.split("/")[1]}.test`) return new Response("", { status: 404 });
			return answers[Math.min(asked++, answers.length - 1)]!();
		});
		for (let i = 0; i < answers.length; i++) {
			await serve(port, chain(2 + i));
			await runDurableObjectAlarm(stub);
		}
		await vi.waitFor(() => expect(asked).toBeGreaterThan(0));
		await new Promise((resolve) => setTimeout(resolve, 300));
		const { reply } = await assignOne(port, request(chain(1)));
		const find = reply.kind === "assigned" ? reply.ranked.find((each) => each.replica === replica) : undefined;
		return find?.expectedCachedTokens ?? -1;
	}

	test("when a slow answer comes after the next one", async () => {
		const slow = async (): Promise<Response> => {
			await new Promise((resolve) => setTimeout(resolve, 200));
			return new Response(counter(0, 1_000));
		};
		expect(await heldAfter([slow, async () => new Response(counter(0, 2_000))])).toBeGreaterThan(5_000);
	});

	test("when they are too long to be read whole", async () => {
		const filler = `# ${"x".repeat(2 * 1024 * 1024)}\n`;
		const long = async (): Promise<Response> => {
			const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
			const writer = writable.getWriter();
			void (async () => {
				for (const text of [counter(0, 1_500), filler, counter(1, 1_500)])
					await writer.write(new TextEncoder().encode(text));
				await writer.close();
			})().catch(() => {});
			return new Response(readable);
		};
		const short = async () => new Response(counter(0, 1_000) + counter(1, 1_000));
		expect(await heldAfter([short, long])).toBeGreaterThan(5_000);
	});
});

describe("a large index", () => {
	/** Stores four parts of half a megabyte for each replica, as after a long life, and evicts the object. */
	async function stored() {
		const { stub, port } = scheduler(LARGE);
		await assignOne(port, request(chain(1), LARGE));
		await runInDurableObject(stub, (_, { storage }) => {
			let seed = 1;
			const word = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0);
			for (const id of ["a", "b"])
				for (let part = 0; part < 4; part++) {
					const words = Uint32Array.from({ length: 2 * PART }, (_, i) =>
						i % 2 === 0 ? word() : (word() | 0x1000) >>> 0,
					);
					storage.sql.exec(
						"INSERT OR REPLACE INTO prefixes VALUES (?, ?, ?, ?)",
						`large/${id}`,
						part,
						`http://large-${id}.test`,
						words.buffer,
					);
				}
		});
		await evictDurableObject(stub);
		const blocks = async () =>
			(await port.status(LARGE, 1)).replicas.map(({ prefix_cache }) => prefix_cache?.blocks ?? 0);
		return { stub, port, blocks };
	}
	const PART = 65_536;

	test("is restored in slices, the newest of every replica first, while requests are served", async () => {
		const { blocks } = await stored();
		const [a, b] = await blocks();
		expect(a).toBeGreaterThanOrEqual(PART * 0.99);
		expect(b).toBeGreaterThanOrEqual(PART * 0.99);
		expect(a! + b!).toBeLessThan(6 * PART);
		await vi.waitFor(async () => expect((await blocks()).every((count) => count > 4 * PART * 0.99)).toBe(true), 5_000);
	});

	test("is not restored any more of a replica that restarted meanwhile, nor written before it is whole", async () => {
		const { stub, port, blocks } = await stored();
		await blocks();
		await port.kvEvents(LARGE, 1, { replica: "large/a", rank: 0, topic: null }, [
			{ seq: 0, lost: false, batch: { ts: 1, events: [{ kind: "cleared" }], rank: null, unknown: 0 } },
		]);
		await runDurableObjectAlarm(stub);
		await vi.waitFor(async () => expect((await blocks())[1]).toBeGreaterThan(4 * PART * 0.99), 5_000);
		expect((await blocks())[0]).toBe(0);
		const parts = await runInDurableObject(stub, (_, { storage }) =>
			storage.sql.exec("SELECT count(*) AS n FROM prefixes WHERE replica = 'large/b'").one(),
		);
		expect(parts["n"]).toBe(4);
	});
});

describe("what an engine told by events", () => {
	/** A batch of its life, at a time of its clock. */
	const tell = (port: KvPort, id: string, seq: number, ts: number) =>
		port.kvEvents(MODEL, 1, { replica: `p/${id}`, rank: 0, topic: null }, [
			{ seq, lost: false, batch: { ts, events: [], rank: null, unknown: 0 } },
		]);
	const ranks = async (port: KvPort, version = 1) =>
		(await port.kvStats(MODEL, version)).ranks.map(({ replica, next }) => [replica, next]);

	test("is forgotten when its metrics show a restart, but for what it has told since", async () => {
		const { stub, port } = scheduler();
		await serve(port, chain(1));
		await runDurableObjectAlarm(stub);
		await tell(port, "a", 0, 1_700_000_010);
		await tell(port, "b", 0, 1_700_000_010);
		for (const id of ["a", "b"]) startedAt[id]! += 60;
		await tell(port, "b", 0, 1_700_000_070);
		await tell(port, "b", 1, 1_700_000_071);
		await serve(port, chain(2));
		await runDurableObjectAlarm(stub);
		expect(await ranks(port)).toEqual([["p/b", 2]]);
	});

	test("and in which life it was seen, is forgotten when the replica moves or leaves", async () => {
		const { stub, port } = scheduler();
		const marks = async (): Promise<string[]> => {
			await serve(port, chain(9));
			await runDurableObjectAlarm(stub);
			const row = await runInDurableObject(stub, (_, { storage }) =>
				storage.sql.exec<{ json: string }>("SELECT json FROM kept WHERE name = 'engine_marks'").one(),
			);
			return Object.keys(JSON.parse(row.json) as object).sort();
		};
		for (const id of REPLICAS) await tell(port, id, 0, 1_700_000_010);
		expect(await marks()).toEqual(["p/a", "p/b", "p/c"]);
		await putCatalog(1, (id) => (id === "a" ? "http://elsewhere.test" : `http://${id}.test`), ["a", "b"]);
		expect(await ranks(port, 2)).toEqual([["p/b", 1]]);
		expect(await marks()).toEqual(["p/a", "p/b"]);
	});
});
