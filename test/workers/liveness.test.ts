import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type {
	AssignReply,
	AssignRequest,
	Ended,
	SchedulerMail,
	SchedulerPort,
} from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { assignOne } from "../support/assign-one.ts";
import { assignRequest } from "../support/assign-request.ts";
import { withoutTable } from "./catalog-support.ts";

const MODEL = "liveness-m";
/** Of a pool that cannot be probed. */
const API_MODEL = "liveness-api";
const PLACES = 3;

beforeAll(async () => {
	const catalog = catalogSchema.parse({
		models: [MODEL, API_MODEL].map((id) => ({
			id,
			context_length: 8_192,
			capabilities: ["chat" as const],
			parameters_billion: 8,
		})),
		pools: [
			{
				id: "p",
				model: MODEL,
				engine: "vllm",
				gpu: { type: "L4" },
				place: { provider: "x", region: "eu" },
				price: { per: "gpu_second", usd: 0.0002 },
				max_concurrency: PLACES,
				replicas: [{ id: "a", url: "http://pool.test" }],
			},
			{
				id: "api",
				model: API_MODEL,
				engine: "openai",
				place: { provider: "x", region: "eu" },
				price: { per: "million_tokens", input: 1, output: 1 },
				replicas: [{ id: "a", url: "http://api.test" }],
			},
		],
	});
	const put = await new CatalogStore(env.CATALOG).put({ catalog, basedOn: 0, now: 0 });
	expect(put).toMatchObject({ ok: true });
});

// Alarms ask engines for their metrics.
beforeEach(
	() => void vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("none", { status: 404 })),
);
afterEach(() => void vi.restoreAllMocks());

let serial = 0;

/** Each test has an object of its own; the name's first part is what tells the object its model only in what it is asked. */
function scheduler(): { stub: DurableObjectStub; port: SchedulerPort } {
	const stub = env.SCHEDULER.getByName(`${schedulerName(MODEL)}/${++serial}`);
	return { stub, port: stub };
}

const NO_MAIL: SchedulerMail = { first: [], ended: [], renewals: [] };

function request(waitingMax = 30): AssignRequest {
	return assignRequest(
		{
			reservation: `r${++serial}`,
			model: MODEL,
			promptBytes: 400,
			outputTokensMax: 100,
			choiceTokensMax: 100,
		},
		{ waitingMax },
	);
}

function end(reservation: string, more: Partial<Ended> = {}): SchedulerMail {
	const ended = {
		reservation,
		outcome: "ok",
		ttft: 9,
		seconds: 20,
		promptTokens: 100,
		cachedTokens: 0,
		outputTokens: 100,
		...more,
	} as const;
	return { ...NO_MAIL, ended: [ended] };
}

async function assign(port: SchedulerPort, asked = request()): Promise<{ reservation: string; reply: AssignReply }> {
	const { reply } = await assignOne(port, asked, NO_MAIL);
	return { reservation: asked.reservation, reply };
}

test("an evicted scheduler has its load back with the next renewals", async () => {
	const { stub, port } = scheduler();
	const flights = await Promise.all([assign(port), assign(port)]);
	await evictDurableObject(stub);
	expect((await port.status(MODEL, 1)).in_flight).toBe(0);
	const renewals = flights.map(({ reservation }) => ({
		reservation,
		replica: "p/a",
		tenant: "t",
		key: "k",
		promptTokens: 100,
		outputTokens: 100,
		started: true,
		age: 15,
	}));
	await port.mail({ ...NO_MAIL, renewals });
	expect(await port.status(MODEL, 1)).toMatchObject({ in_flight: 2, replicas: [{ replica: "p/a", in_flight: 2 }] });
	await port.mail(end(flights[0].reservation));
	expect((await port.status(MODEL, 1)).in_flight).toBe(1);
});

test("what was learned is kept by the alarm and outlives the object", async () => {
	const { stub, port } = scheduler();
	const before = (await port.status(MODEL, 1)).replicas[0]!.overhead_seconds;
	for (let i = 0; i < 10; i++) await port.mail(end((await assign(port)).reservation));
	expect(await runDurableObjectAlarm(stub)).toBe(true);
	const learned = (await port.status(MODEL, 1)).replicas[0]!.overhead_seconds;
	expect(learned).toBeGreaterThan(before * 2);
	await evictDurableObject(stub);
	expect((await port.status(MODEL, 1)).replicas[0]!.overhead_seconds).toBeGreaterThan(before * 2);
});

test("a scheduler that starts again while D1 is gone serves on with the catalog that it kept", async () => {
	const { stub, port } = scheduler();
	await assign(port);
	await withoutTable("catalog_versions", async () => {
		await evictDurableObject(stub);
		expect((await assign(port)).reply.kind).toBe("assigned");
		const stranger = scheduler();
		expect((await assign(stranger.port)).reply).toMatchObject({ kind: "refused", error: { code: "model_not_found" } });
	});
});

test("who waits gets the first place that is free; who leaves makes none of it his", async () => {
	const { port } = scheduler();
	const flights = await Promise.all(Array.from({ length: PLACES }, () => assign(port)));
	const first = await assign(port);
	const second = await assign(port);
	expect([first.reply.kind, second.reply.kind]).toEqual(["queued", "queued"]);
	const turn = port.waitTurn(second.reservation);
	await port.leave(first.reservation);
	await port.mail(end(flights[0]!.reservation));
	expect(await turn).toMatchObject({ kind: "assigned", ranked: [{ replica: "p/a" }] });
	expect(await port.status(MODEL, 1)).toMatchObject({ in_flight: PLACES, waiting: 0 });
});

test("nothing waits longer than it said", async () => {
	const { port } = scheduler();
	await Promise.all(Array.from({ length: PLACES }, () => assign(port)));
	// The first of the room: expected to be short enough, and then nobody ends.
	const waiting = await assign(port, request(2));
	expect(waiting.reply.kind).toBe("queued");
	expect(await port.waitTurn(waiting.reservation)).toMatchObject({ kind: "refused", error: { code: "overloaded" } });
});

test("a place in the waiting room that an eviction took is not known any more, and the request asks anew", async () => {
	const { stub, port } = scheduler();
	await Promise.all(Array.from({ length: PLACES }, () => assign(port)));
	const waiting = await assign(port);
	await evictDurableObject(stub);
	expect(await port.waitTurn(waiting.reservation)).toBeNull();
});

test("a replica that refuses connections is put aside, probed through /health, and starts slowly", async () => {
	const { port } = scheduler();
	const urls: string[] = [];
	const spy = vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
		urls.push(input instanceof Request ? input.url : String(input));
		return new Response("ok");
	});
	try {
		const flight = await assign(port);
		await port.mail(end(flight.reservation, { outcome: "failed", failure: "connect", ttft: null }));
		expect((await port.status(MODEL, 1)).replicas[0]!.health).toBe("aside");
		expect((await assign(port)).reply).toMatchObject({ kind: "refused", error: { code: "no_healthy_replica" } });
		await vi.waitFor(async () => {
			await port.mail(NO_MAIL);
			expect((await port.status(MODEL, 1)).replicas[0]!.health).toBe("slow_start");
		}, 4_000);
		expect(urls).toContain("http://pool.test/health");
		expect((await assign(port)).reply.kind).toBe("assigned");
	} finally {
		spy.mockRestore();
	}
});

describe("an object with nothing to do", () => {
	const alarms = async (stub: DurableObjectStub): Promise<number> => {
		for (let count = 0; count < 10; count++) if (!(await runDurableObjectAlarm(stub))) return count;
		return Infinity;
	};
	const failed = (reservation: string) => end(reservation, { outcome: "failed", failure: "connect", ttft: null });

	test("is left alone when a replica has come back and its slow start is over", async () => {
		vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("ok"));
		const { stub, port } = scheduler();
		await port.mail(failed((await assign(port)).reservation));
		await vi.waitFor(async () => {
			await port.mail(NO_MAIL);
			expect((await port.status(MODEL, 1)).replicas[0]!.health).toBe("slow_start");
		}, 4_000);
		const later = Date.now() + 60_000;
		vi.spyOn(Date, "now").mockImplementation(() => later);
		expect((await port.status(MODEL, 1)).replicas[0]!.health).toBe("healthy");
		expect(await alarms(stub)).toBeLessThanOrEqual(2);
	});

	test("is left alone when what is aside cannot be probed", async () => {
		const { stub, port } = scheduler();
		const asked = { ...request(), model: API_MODEL };
		expect((await assign(port, asked)).reply.kind).toBe("assigned");
		await port.mail(failed(asked.reservation));
		expect((await port.status(API_MODEL, 1)).replicas[0]!.health).toBe("aside");
		expect(await alarms(stub)).toBeLessThanOrEqual(2);
	});
});
