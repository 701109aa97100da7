import { afterAll, beforeAll, expect, it } from "vitest";
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
	watchBudget,
} from "./money.ts";
import { sorted, startClients, type Clients, type Order } from "./race.ts";

// The other races stretch the deadlines for slow machines. This one is smaller and changes none of them: what an operator
// gets who sets nothing.

const TOKENS = 10;
const NEED = TOKENS * TOKEN_NANO + 1;
const RACERS = 120;
const FITTING = 20;

let clients: Clients;
let gateway: Gateway;
let urls: readonly string[];

beforeAll(async () => {
	clients = startClients();
	gateway = await startGateway({ ...OUTPUT_PRICED, edges: 1 });
	urls = [gateway.isobar.url, ...gateway.isobar.edgeUrls];
});
afterAll(async () => {
	clients.stop();
	await gateway.stop();
});

it(`serves ${FITTING} of ${RACERS} requests at once through two isolates, as the budget has it, and the books agree`, async () => {
	const limit = FITTING * NEED;
	const key = await gateway.createKey({ budget: { total_usd: limit / 1e9 } });
	const orders = Array.from({ length: RACERS }, (_, i): Order => ({
		url: urls[i % urls.length]!,
		key,
		body: {
			model: MODEL,
			messages: [{ role: "user", content: `racer ${i}` }],
			max_tokens: TOKENS,
			ignore_eos: true,
			stream: Math.floor(i / 2) % 2 === 1,
		},
	}));
	const before = gateway.simulator.replica("p/a").state().requests;
	const { result: shots, most, looks } = await watchBudget(gateway.isobar.url, key, clients.race(orders));
	const { served, refused } = sorted(shots, "budget_exhausted");
	expect(looks()).toBeGreaterThan(1);
	expect(most().nano).toBeLessThanOrEqual(limit);
	for (const { details } of refused) expect(nano(Number(details?.["left_usd"]))).toBeLessThan(NEED);

	// A lease that an isolate does not give back in its 1.5 s holds up the others; what it held can be spent after that.
	for (const again of orders.slice(0, FITTING)) {
		if (served.length === FITTING) break;
		await settledUsage(gateway.isobar.url, key);
		const [shot] = sorted(await clients.race([again]), "budget_exhausted").served;
		if (shot) served.push(shot);
	}
	expect(served).toHaveLength(FITTING);
	expect(gateway.simulator.replica("p/a").state().requests - before).toBe(FITTING);

	const usage = await settledUsage(gateway.isobar.url, key);
	const ids = served.map(({ id }) => id);
	const records = await recordsOf(gateway.isobar.url, key, ids);
	expect(usage.budget.spent.total).toBe(FITTING * TOKENS * TOKEN_NANO);
	expect(sumOf(records, (record) => record.cost_nano_usd)).toBe(usage.budget.spent.total);
	expect(costOf(usage)).toBe(usage.budget.spent.total);
	expect(sumOf(usage.data, (row) => row.unconfirmed_usd)).toBe(0);
});
