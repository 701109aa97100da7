import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import {
	costOf,
	MODEL,
	nano,
	OUTPUT_PRICED,
	recordsOf,
	settledUsage,
	sumOf,
	TOKEN_NANO,
	usageOf,
	watchBudget,
} from "./money.ts";
import { sorted, startClients, type Clients, type Order } from "./race.ts";

// The claim. A request is refused only when, at that moment, `limit - spent - held < needed`; `held` is what requests in
// flight have reserved, and what isolates hold beyond that and cannot give back within `recallSeconds`. Nothing is ever
// granted that would make `spent + held` more than the limit.

const TOKENS = 10;
const NEED = TOKENS * TOKEN_NANO + 1;
const RACERS = 1_000;

/** Plain and streamed ones in turn, dealt to the isolates. */
function orders(urls: readonly string[], key: string, count = RACERS): Order[] {
	return Array.from({ length: count }, (_, i) => ({
		url: urls[Math.floor(i / 2) % urls.length]!,
		key,
		body: {
			model: MODEL,
			messages: [{ role: "user", content: `racer ${i}` }],
			max_tokens: TOKENS,
			ignore_eos: true,
			// Each of the eight processes gets both kinds.
			stream: Math.floor(i / 8) % 2 === 1,
		},
	}));
}

let clients: Clients;
let gateway: Gateway;
let urls: readonly string[];

beforeAll(async () => {
	clients = startClients();
	gateway = await startGateway({
		...OUTPUT_PRICED,
		edges: 3,
		// A request waits as long as it takes for what another isolate holds: this machine may be slow.
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

describe.each([
	{ where: "one isolate", isolates: 1 },
	{ where: "four isolates", isolates: 4 },
])("1,000 requests at once from 8 processes through $where, against a budget for 100", ({ isolates }) => {
	it("serves exactly 100 and never commits more than the budget", async () => {
		const limit = 100 * NEED;
		const key = await gateway.createKey({ budget: { total_usd: limit / 1e9 } });
		const before = gateway.simulator.replica("p/a").state().requests;
		const running = clients.race(orders(urls.slice(0, isolates), key));
		const { result: shots, most, looks } = await watchBudget(gateway.isobar.url, key, running);
		const { served, refused } = sorted(shots, "budget_exhausted");

		// Each costs a nano-dollar less than was reserved, so that what comes back never makes room for one more.
		expect(served).toHaveLength(100);
		expect(gateway.simulator.replica("p/a").state().requests - before).toBe(100);
		expect(looks()).toBeGreaterThan(3);
		expect(most().nano).toBeLessThanOrEqual(limit);
		expect(served.filter((shot) => shot.tokens === null).length, "streams among them").toBeGreaterThan(0);
		expect(served.filter((shot) => shot.tokens !== null).length, "plain ones among them").toBeGreaterThan(0);

		for (const { status, details, retryAfter } of refused) {
			expect({ status, retryAfter, ...details }).toMatchObject({ status: 429, retryAfter: null, period: "total" });
			expect(nano(Number(details?.["needed_usd"]))).toBe(NEED);
			expect(nano(Number(details?.["left_usd"]))).toBeLessThan(NEED);
			expect(nano(Number(details?.["limit_usd"]))).toBe(limit);
		}

		const usage = await settledUsage(gateway.isobar.url, key);
		const records = await recordsOf(
			gateway.isobar.url,
			key,
			served.map((shot) => shot.id),
		);
		expect(usage.budget.limits.totalNano).toBe(limit);
		expect(usage.budget.spent.total).toBe(100 * TOKENS * TOKEN_NANO);
		expect(sumOf(records, (record) => record.cost_nano_usd)).toBe(usage.budget.spent.total);
		expect(sumOf(records, (record) => record.reserved_nano_usd)).toBe(limit);
		expect(costOf(usage)).toBe(usage.budget.spent.total);
		expect(sumOf(usage.data, (row) => row.unconfirmed_usd)).toBe(0);
	});
});

describe("a race whose requests cost less than was reserved for them", () => {
	it("refuses nothing that fits, and what comes back can be spent to the last reservation", async () => {
		const limit = 100 * NEED;
		const key = await gateway.createKey({ budget: { total_usd: limit / 1e9 } });
		const few = orders(urls, key, 400).map((order, i) => ({
			...order,
			// Between a tenth and all of what is reserved.
			body: { ...order.body, sim: { output_tokens: 1 + (i % TOKENS) } },
		}));
		const { result: shots, most } = await watchBudget(gateway.isobar.url, key, clients.race(few));
		const { served, refused } = sorted(shots, "budget_exhausted");
		expect(most().nano).toBeLessThanOrEqual(limit);
		for (const { details } of refused) {
			expect(nano(Number(details?.["left_usd"]))).toBeLessThan(nano(Number(details?.["needed_usd"])));
		}
		const records = await recordsOf(
			gateway.isobar.url,
			key,
			served.map((shot) => shot.id),
		);
		const paid = new Map(records.map((record) => [record.id, record.cost_nano_usd]));
		// From outside: the most that can have been committed while a refused request was there. What was served until then is
		// counted in full while it may not have been settled, and as its cost after that.
		for (const refusal of refused) {
			const committed = sumOf(served, (shot) => {
				if (shot.sentAt > refusal.endedAt) return 0;
				return shot.endedAt + 2 < refusal.sentAt ? paid.get(shot.id ?? "")! : NEED;
			});
			expect(limit - committed).toBeLessThan(NEED);
		}

		// One after the other: each finds all that the others have left.
		const again = { model: MODEL, messages: [{ role: "user", content: "again" }], max_tokens: TOKENS };
		for (;;) {
			const { budget } = await settledUsage(gateway.isobar.url, key);
			const left = limit - budget.spent.total;
			const response = await gateway.post("/chat/completions", { ...again, ignore_eos: true }, { key });
			const body = await response.text();
			if (left >= NEED) {
				expect(response.status, body).toBe(200);
				continue;
			}
			expect(JSON.parse(body)).toMatchObject({ error: { code: "budget_exhausted" } });
			expect(nano(JSON.parse(body).error.details.left_usd)).toBe(left);
			break;
		}
		const end = await usageOf(gateway.isobar.url, key);
		expect(costOf(end)).toBe(end.budget.spent.total);
		expect(end.budget.spent.total).toBeGreaterThan(limit - NEED);
		expect(end.budget.spent.total).toBeLessThanOrEqual(limit);
	});
});
