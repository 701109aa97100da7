import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";
import { MODEL, OUTPUT_PRICED, recordsOf, settledUsage, sumOf, watchBudget } from "./money.ts";
import { sorted, startClients, type Clients, type Order, type Shot } from "./race.ts";

// A limit a minute is a bucket that holds a minute's worth and refills evenly (bucket.ts): over any `t` seconds from a full
// one, `limit * (1 + t / 60)` may pass and no more, and nothing is refused while there is enough in it.

const MINUTE = 60;
const TOKENS = 10;

let clients: Clients;
let gateway: Gateway;
let urls: readonly string[];

beforeAll(async () => {
	clients = startClients();
	gateway = await startGateway({
		...OUTPUT_PRICED,
		edges: 3,
		settings: {
			logRequests: false,
			ledgerDeadlineSeconds: 9,
			recallSeconds: 8,
			leaseIdleSeconds: 0.2,
			schedulerDeadlineSeconds: 5,
			// What is refused late is refused by its status all the same.
			heartbeatAfterSeconds: 60,
		},
	});
	urls = [gateway.isobar.url, ...gateway.isobar.edgeUrls];
});
afterAll(async () => {
	clients.stop();
	await gateway.stop();
});

function orders(key: string, count: number, more: (i: number) => object = () => ({})): Order[] {
	return Array.from({ length: count }, (_, i) => ({
		url: urls[Math.floor(i / 2) % urls.length]!,
		key,
		body: {
			model: MODEL,
			messages: [{ role: "user", content: "x" }],
			max_tokens: TOKENS,
			ignore_eos: true,
			stream: i % 2 === 1,
			...more(i),
		},
	}));
}

/** From the first request sent to the last answer. */
function duration(shots: readonly Shot[]): number {
	return Math.max(...shots.map((shot) => shot.endedAt)) - Math.min(...shots.map((shot) => shot.sentAt));
}

describe("500 requests at once from 8 processes through four isolates", () => {
	it("are let through by as many as may pass in a minute", async () => {
		const perMinute = 120;
		const key = await gateway.createKey({ limits: { requests_per_minute: perMinute } });
		const shots = await clients.race(orders(key, 500));
		const { served, refused } = sorted(shots, "rate_limited");
		expect(served.length).toBeGreaterThanOrEqual(perMinute);
		expect(served.length).toBeLessThanOrEqual(perMinute * (1 + duration(shots) / MINUTE));
		for (const { status, details, retryAfter } of refused) {
			expect({ status, ...details }).toMatchObject({ status: 429, limit: "requests_per_minute", allowed: perMinute });
			expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
		}
		await settledUsage(gateway.isobar.url, key);
	});

	it("are let through by as many tokens as may pass in a minute; tokens that were reserved and not used count for none", async () => {
		const perMinute = 6_000;
		const key = await gateway.createKey({ limits: { tokens_per_minute: perMinute } });
		const shots = await clients.race(orders(key, 500));
		const { served, refused } = sorted(shots, "rate_limited");
		const records = await recordsOf(
			gateway.isobar.url,
			key,
			served.map((shot) => shot.id),
		);
		const used = sumOf(records, (record) => record.prompt_tokens + record.completion_tokens);
		expect(used).toBeLessThanOrEqual(perMinute * (1 + duration(shots) / MINUTE));
		const needed = Number(refused[0]?.details?.["needed"]);
		expect(needed).toBeGreaterThan(records[0]!.prompt_tokens + TOKENS);
		expect(refused.every((shot) => shot.details?.["needed"] === needed)).toBe(true);
		// All in flight at once hold what they need: one more would not have fitted.
		expect((served.length + 1) * needed).toBeGreaterThan(perMinute);
		await settledUsage(gateway.isobar.url, key);
	});

	it("are refused for good when they can never fit, and no SDK is told to try again", async () => {
		const key = await gateway.createKey({ limits: { tokens_per_minute: 100 } });
		const response = await gateway.post("/chat/completions", orders(key, 1, () => ({ max_tokens: 600 }))[0]!.body, {
			key,
		});
		expect(response.status).toBe(429);
		expect(response.headers.get("retry-after")).toBeNull();
		expect(response.headers.get("x-should-retry")).toBe("false");
		const { error } = (await response.json()) as { error: { code: string; message: string; details: unknown } };
		expect(error).toMatchObject({ code: "rate_limited", details: { limit: "tokens_per_minute", allowed: 100 } });
		expect(error.message).toMatch(/may need 6\d\d, and the key's limit of 100 tokens per minute never allows as many/);
	});

	it("are never more at once than the key allows, whatever their clients do, and no place is lost", async () => {
		const concurrency = 24;
		const key = await gateway.createKey({ limits: { concurrency } });
		gateway.simulator.replica("p/a").reset();
		// Every third client hangs up while its request is in flight, or even waits to be admitted.
		const racers = orders(key, 300, () => ({ max_tokens: 40 })).map((order, i) =>
			i % 3 === 0 ? { ...order, hangUpAfter: 0.05 + (i % 30) / 100 } : order,
		);
		const { result: shots, most } = await watchBudget(gateway.isobar.url, key, clients.race(racers));
		const stayed = shots.filter((_, i) => i % 3 !== 0);
		const { served, refused } = sorted(stayed, "concurrency_limited");
		expect(served.length).toBeGreaterThan(0);
		expect(refused.length).toBeGreaterThan(0);
		expect(refused.every((shot) => shot.status === 429 && Number(shot.retryAfter) >= 1)).toBe(true);
		expect(most().slots).toBeLessThanOrEqual(concurrency);
		expect(gateway.simulator.replica("p/a").state().inFlightMax).toBeLessThanOrEqual(concurrency);

		// Every place is there again: that many are all let in, and are in flight together. An answer takes ten seconds, longer
		// than anybody waits for a place that another isolate's lease held: the first is still there when the last is let in.
		await settledUsage(gateway.isobar.url, key);
		gateway.simulator.replica("p/a").reset();
		const all = await clients.race(orders(key, concurrency, () => ({ max_tokens: 2_000 })));
		expect(sorted(all, "concurrency_limited").refused).toEqual([]);
		expect(gateway.simulator.replica("p/a").state().inFlightMax).toBe(concurrency);
		await until("the pool to be idle", () => gateway.simulator.replica("p/a").state().inFlight === 0);
	});
});

describe("a client that sends its next request as soon as it has read the last answer", () => {
	it.each([
		["places", { limits: { concurrency: 1 } }, 1],
		["places, with as many clients as places", { limits: { concurrency: 4 } }, 4],
		// Ten tokens are reserved for each, and one is paid.
		["money", { budget: { total_usd: 0.0195 } }, 1],
	])("is refused nothing for want of %s", async (_, options, clientsAtOnce) => {
		const key = await gateway.createKey(options);
		const statuses: number[] = [];
		await Promise.all(
			Array.from({ length: clientsAtOnce }, async () => {
				for (let i = 0; i < 10; i++) {
					const answer = await gateway.post(
						"/chat/completions",
						{ model: MODEL, messages: [{ role: "user", content: "x" }], max_tokens: TOKENS, sim: { output_tokens: 1 } },
						{ key },
					);
					await answer.arrayBuffer();
					statuses.push(answer.status);
				}
			}),
		);
		expect(statuses).toEqual(Array(10 * clientsAtOnce).fill(200));
	});
});
