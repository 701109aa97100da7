import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type { SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { assignOne } from "../support/assign-one.ts";
import { assignRequest } from "../support/assign-request.ts";

const MODEL = "kept-m";
const VERSION = 1;

beforeAll(async () => {
	const catalog = catalogSchema.parse({
		models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 }],
		pools: [
			{
				id: "zero",
				model: MODEL,
				engine: "openai",
				place: { provider: "zero", region: "zero" },
				price: { per: "gpu_second", usd: 0.0001 },
				scale_to_zero: { kind: "plain", cold_seconds: 100, idle_seconds: 3 },
				replicas: [{ id: "a", url: "http://zero.test" }],
			},
		],
	});
	const put = await new CatalogStore(env.CATALOG).put({ catalog, basedOn: 0, now: 0 });
	if (!put.ok) throw new Error(JSON.stringify(put.error));
});

let calls: string[] = [];
/** What the provider answers. */
let status = 200;
beforeEach(() => {
	calls = [];
	status = 200;
	vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
		calls.push(new Request(input).url);
		return new Response("{}", { status });
	});
});
afterEach(() => vi.restoreAllMocks());

/** Asks once, and is answered by a pool that is warm from then on. */
async function answered(name: string) {
	const stub = env.SCHEDULER.getByName(name);
	const port: SchedulerPort = stub;
	const asked = assignRequest({ reservation: `kept-${name}`, catalogVersion: VERSION, model: MODEL });
	const { reply } = await assignOne(port, asked);
	expect(reply.kind).toBe("assigned");
	const { reservation } = asked;
	const tokens = { promptTokens: 10, cachedTokens: 0, outputTokens: 10 };
	const ended = { reservation, outcome: "ok", ttft: 100, seconds: 100, ...tokens } as const;
	await port.mail({ first: [], ended: [ended], renewals: [] });
	expect((await port.status(MODEL, VERSION)).replicas[0]!.warmth).toMatchObject({ state: "warm" });
	return { stub, port };
}

test("an object that was evicted keeps its pool warm all the same, by its alarm", async () => {
	const { stub, port } = await answered(schedulerName(MODEL));
	await evictDurableObject(stub);
	await new Promise((resolve) => setTimeout(resolve, 1_700));
	await runDurableObjectAlarm(stub);
	await vi.waitFor(async () => expect(calls).toEqual(["http://zero.test/v1/models"]), { timeout: 5_000 });
	const { acts } = await port.status(MODEL, VERSION);
	expect(acts).toMatchObject([{ replica: "zero/a", act: "keep", reason: "demand" }]);
	// The answer was a use: the next is not due before the time-out is almost over again.
	await runDurableObjectAlarm(stub);
	expect(calls).toHaveLength(1);
});

test("calls that fail are not made again at once", async () => {
	await answered(`${schedulerName(MODEL)}/failing`);
	status = 500;
	await vi.waitFor(() => expect(calls.length).toBeGreaterThan(0), { timeout: 5_000 });
	await new Promise((resolve) => setTimeout(resolve, 1_000));
	expect(calls.length).toBeLessThan(3);
});
