import { evictDurableObject, runInDurableObject, SELF } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { Scheduler } from "../../durable-objects/scheduler.ts";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { catalogSchema } from "../../src/shared/catalog/schema.ts";
import type { AssignReply, FleetStatus, SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { assignOne } from "../support/assign-one.ts";
import { assignRequest } from "../support/assign-request.ts";
import { admin } from "./admin-support.ts";

const MODEL = "evicted-m";
const PLACES = 2;
const GATEWAY = "https://gateway.example.com";

let key = "";

beforeAll(async () => {
	const catalog = catalogSchema.parse({
		models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 }],
		pools: [
			{
				id: "p",
				model: MODEL,
				engine: "openai",
				place: { provider: "x", region: "eu" },
				price: { per: "million_tokens", input: 1, output: 2 },
				max_concurrency: PLACES,
				replicas: [{ id: "a", url: "http://pool.test" }],
			},
		],
	});
	expect(await new CatalogStore(env.CATALOG).put({ catalog, basedOn: 0, now: 0 })).toMatchObject({ ok: true });
	key = (await admin("POST", "/admin/keys", { tenant: "evicted" })).body.key;
});

/** The pool's streams, each of which goes on until it is ended. */
let ends: (() => void)[] = [];

function stream(): Response {
	const encoder = new TextEncoder();
	const event = (choice: object): Uint8Array => encoder.encode(`data: ${JSON.stringify({ choices: [choice] })}\n\n`);
	let over = false;
	ends.push(() => (over = true));
	const body = new ReadableStream<Uint8Array>({
		async pull(controller) {
			await new Promise((resolve) => setTimeout(resolve, 20));
			if (!over) return controller.enqueue(event({ index: 0, delta: { content: "x" } }));
			controller.enqueue(event({ index: 0, delta: {}, finish_reason: "stop" }));
			controller.enqueue(encoder.encode("data: [DONE]\n\n"));
			controller.close();
		},
	});
	return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

beforeEach(() => {
	ends = [];
	vi.spyOn(globalThis, "fetch").mockImplementation(async () => stream());
});
afterEach(() => {
	for (const end of ends) end();
	vi.restoreAllMocks();
});

const object = () => env.SCHEDULER.getByName(schedulerName(MODEL));

function status(): Promise<FleetStatus> {
	const port: SchedulerPort = object();
	return port.status(MODEL, 1);
}

function ask(isobar: object = {}): Promise<Response> {
	return SELF.fetch(`${GATEWAY}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}` },
		body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "x" }], stream: true, isobar }),
	});
}

test("requests in flight bring their places back to a scheduler that was evicted, before others are let in", async () => {
	const first = await Promise.all([ask(), ask()]);
	const texts = first.map((response) => response.text());
	expect((await status()).in_flight).toBe(PLACES);
	await evictDurableObject(object());
	expect((await status()).in_flight).toBe(0);
	await vi.waitFor(async () => expect((await status()).in_flight).toBe(PLACES), 5_000);

	const third = ask();
	await vi.waitFor(async () => expect((await status()).waiting).toBe(1), 5_000);
	expect(ends).toHaveLength(PLACES);
	ends[0]!();
	const served = await third;
	expect(served.headers.get("x-isobar-decided-by")).toBe("scheduler");
	for (const end of ends) end();
	for (const text of [...texts, served.text()]) expect((await text).endsWith("data: [DONE]\n\n")).toBe(true);
	await vi.waitFor(async () => expect(await status()).toMatchObject({ in_flight: 0, waiting: 0 }), 5_000);
});

test("places of an isolate that is gone, and renews nothing, are free again after `reservationSeconds`", async () => {
	const stub = env.SCHEDULER.getByName(`${schedulerName(MODEL)}/lost`);
	await runInDurableObject(stub, async (_, state) => {
		const settings = JSON.stringify({ reservationSeconds: 0.3 });
		const scheduler = new Scheduler(state, { ...env, SETTINGS: settings });
		let serial = 0;
		const assign = async (): Promise<AssignReply["kind"]> => {
			const { reply } = await assignOne(
				scheduler,
				assignRequest(
					{
						reservation: `lost-${serial++}`,
						model: MODEL,
						promptBytes: 40,
						outputTokensMax: 10,
						choiceTokensMax: 10,
						stream: false,
					},
					// Less than the shortest expected wait: a full fleet refuses at once.
					{ waitingMax: 0.001 },
				),
				{ first: [], ended: [], renewals: [] },
			);
			return reply.kind;
		};
		expect([await assign(), await assign(), await assign()]).toEqual(["assigned", "assigned", "refused"]);
		await vi.waitFor(async () => expect(await assign()).toBe("assigned"), { timeout: 5_000, interval: 50 });
		expect([await assign(), await assign()]).toEqual(["assigned", "refused"]);
	});
});

test("requests that wait when the object goes, again and again, all end: in an answer, or in an error within their limit", async () => {
	const LIMIT = 10;
	const first = await Promise.all([ask(), ask()]);
	const began = performance.now();
	const parked = Array.from({ length: 8 }, async () => {
		const response = await ask({ waiting_seconds_max: LIMIT });
		const seconds = (performance.now() - began) / 1_000;
		return { text: await response.text(), seconds };
	});
	const waiting = (least: number) =>
		vi.waitFor(async () => expect((await status()).waiting).toBeGreaterThanOrEqual(least), 5_000);
	// Some are told at once that it would take too long.
	await waiting(4);
	for (let lives = 1; lives <= 2; lives++) {
		// With calls under way it is not evicted but broken off, as by a crash or a new version. Two at most find a place in the new
		// one before it has heard of those in flight.
		await runInDurableObject(object(), (_, state) => state.abort("gone")).catch(() => {});
		await waiting(lives === 1 ? 2 : 0);
	}
	setTimeout(() => ends.map((end) => end()), LIMIT * 1_000);
	const ended = await Promise.all(parked);
	const answered = ended.filter(({ text }) => text.endsWith("data: [DONE]\n\n"));
	const shed = ended.filter(({ text }) => text.includes('"code":"overloaded"'));
	expect(answered.length + shed.length).toBe(8);
	expect(answered.length).toBeGreaterThan(0);
	expect(shed.length).toBeGreaterThan(0);
	// What the gateway allows for the last word comes on top.
	for (const { seconds } of shed) expect(seconds).toBeLessThan(LIMIT + 2 + 1);
	await Promise.all(first.map((response) => response.text()));
	await vi.waitFor(async () => expect(await status()).toMatchObject({ in_flight: 0, waiting: 0 }), 5_000);
});

test("a clock that is set back while requests wait keeps none of them beyond its limit", async () => {
	// A new one, which has not learned yet how long requests take here.
	await runInDurableObject(object(), (_, state) => state.abort("gone")).catch(() => {});
	const first = await Promise.all([ask(), ask()]);
	const began = performance.now();
	const parked = Array.from({ length: 2 }, async () => {
		const text = await (await ask({ waiting_seconds_max: 6 })).text();
		return { text, seconds: (performance.now() - began) / 1_000 };
	});
	await vi.waitFor(async () => expect((await status()).waiting).toBe(2), 5_000);
	const real = Date.now.bind(Date);
	const spy = vi.spyOn(Date, "now").mockImplementation(() => real() - 3_600_000);
	try {
		for (const { text, seconds } of await Promise.all(parked)) {
			expect(text).toContain('"code":"overloaded"');
			expect(seconds).toBeLessThan(6 + 2 + 2);
		}
	} finally {
		spy.mockRestore();
	}
	for (const end of ends) end();
	await Promise.all(first.map((response) => response.text()));
	await vi.waitFor(async () => expect(await status()).toMatchObject({ in_flight: 0, waiting: 0 }), 5_000);
});
