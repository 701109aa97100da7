import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type { AssignRequest, SchedulerMail, SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { assignOne } from "../support/assign-one.ts";
import { assignRequest } from "../support/assign-request.ts";

const MODEL = "warmth-m";
/** Of engines that sleep, at one pool that nothing else can stand in for. */
const SLEEPER = "warmth-sleeper";
const NO_MAIL: SchedulerMail = { first: [], ended: [], renewals: [] };

let version = 0;

beforeAll(async () => {
	const pool = (id: string) => ({
		id,
		model: MODEL,
		engine: "openai",
		place: { provider: id, region: id },
		max_concurrency: 400,
		replicas: [{ id: "a", url: `http://${id}.test` }],
	});
	const catalog = catalogSchema.parse({
		models: [MODEL, SLEEPER].map((id) => ({
			id,
			context_length: 8_192,
			capabilities: ["chat" as const],
			parameters_billion: 8,
		})),
		pools: [
			{
				...pool("zero"),
				price: { per: "gpu_second", usd: 0.0001 },
				scale_to_zero: { kind: "plain", cold_seconds: 100 },
			},
			{ ...pool("dear"), price: { per: "million_tokens", input: 100, output: 100 }, max_concurrency: 10_000 },
			{
				...pool("sleeper"),
				model: SLEEPER,
				engine: "vllm",
				price: { per: "gpu_hour", usd: 1 },
				scale_to_zero: { kind: "vllm_sleep" },
			},
		],
	});
	const put = await new CatalogStore(env.CATALOG).put({ catalog, basedOn: 0, now: 0 });
	if (!put.ok) throw new Error(JSON.stringify(put.error));
	version = 1;
});

const scheduler = (): SchedulerPort => env.SCHEDULER.getByName(schedulerName(MODEL));
const warmth = async () => (await scheduler().status(MODEL, version)).replicas[0]!.warmth!;

let serial = 0;
function request(): AssignRequest {
	return assignRequest({
		reservation: `warmth-${serial++}`,
		catalogVersion: version,
		model: MODEL,
		outputTokensMax: 100,
		choiceTokensMax: 100,
	});
}

async function chosen(): Promise<string> {
	const { reply } = await assignOne(scheduler(), request(), NO_MAIL);
	if (reply.kind !== "assigned") throw new Error(reply.kind);
	return reply.ranked[0]!.replica;
}

let calls: string[] = [];
/** What the provider answers; null: nothing at all. */
let status: number | null = 503;

beforeEach(() => {
	calls = [];
	status = 503;
	vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
		calls.push(new Request(input).url);
		return status === null ? new Promise(() => {}) : new Response(null, { status });
	});
});
afterEach(() => vi.restoreAllMocks());

test("500 simultaneous requests wake a cold pool once, also over the object's eviction", async () => {
	const given = await Promise.all(Array.from({ length: 500 }, chosen));
	// Each pays several cents elsewhere: the first is not yet worth a start, all together are.
	expect(given[0]).toBe("dear/a");
	// As the other fills up, some join; no more than a quarter of its places.
	expect(given.filter((replica) => replica === "zero/a").length).toBeLessThanOrEqual(100);
	const { age_seconds: age, ...waking } = await warmth();
	expect(waking).toMatchObject({ state: "waking", source: "plain_wake", regret_usd: 0 });
	expect(calls).toEqual(["http://zero.test/v1/models"]);

	await evictDurableObject(env.SCHEDULER.getByName(schedulerName(MODEL)));
	const after = await warmth();
	expect(after).toMatchObject({ state: "waking", source: "wake" });
	expect(after.age_seconds!).toBeGreaterThanOrEqual(age!);
	await Promise.all(Array.from({ length: 100 }, chosen));
	expect(await warmth()).toMatchObject({ state: "waking", source: "wake" });
	expect(calls).toEqual(["http://zero.test/v1/models"]);
});

test("a wake that the provider refuses leaves the pool cold, and is not made again at once", async () => {
	status = 500;
	const stub = env.SCHEDULER.getByName(`${schedulerName(MODEL)}/refused`);
	const port: SchedulerPort = stub;
	const ask = () => assignOne(port, request(), NO_MAIL);
	await Promise.all(Array.from({ length: 100 }, ask));
	await vi.waitFor(async () => {
		const [zero] = (await port.status(MODEL, version)).replicas;
		expect(zero!.warmth).toMatchObject({ state: "cold", source: "wake_failed" });
	});
	await Promise.all(Array.from({ length: 100 }, ask));
	expect(calls).toHaveLength(1);
});

test("a wake that never completes: whoever waits for it is answered when his time is over, and it is called once", async () => {
	// Asleep, as its engine last said; from then on it says nothing.
	const port: SchedulerPort = env.SCHEDULER.getByName(schedulerName(SLEEPER));
	vi.spyOn(globalThis, "fetch").mockImplementation(async () => Response.json({ is_sleeping: true }));
	await port.status(SLEEPER, version);
	await vi.waitFor(async () => {
		const [sleeper] = (await port.status(SLEEPER, version)).replicas;
		expect(sleeper!.warmth).toMatchObject({ state: "asleep" });
	});
	status = null;
	vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
		calls.push(new Request(input).url);
		return new Promise(() => {});
	});
	const began = performance.now();
	const parked = Array.from({ length: 20 }, async () => {
		const asked = { ...request(), model: SLEEPER, policy: { ...request().policy, waitingMax: 2 } };
		const { reply } = await assignOne(port, asked, NO_MAIL);
		return reply.kind === "queued" ? port.waitTurn(asked.reservation) : reply;
	});
	for (const reply of await Promise.all(parked)) {
		expect(reply).toMatchObject({ kind: "refused", error: { code: "overloaded" } });
	}
	expect((performance.now() - began) / 1_000).toBeLessThan(4);
	expect(calls.filter((url) => url.includes("/wake_up")).length).toBeLessThanOrEqual(1);
	expect((await port.status(SLEEPER, version)).waiting).toBe(0);
});
