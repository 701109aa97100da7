import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";
import { MODEL, nano, OUTPUT_PRICED, settledUsage, TOKEN_NANO, usageOf } from "./money.ts";

const TOKENS = 100;
const NEED = TOKENS * TOKEN_NANO + 1;
/** A 32nd of it covers four requests: that many does the first lease. */
const LIMIT = 128 * NEED;

let gateway: Gateway;
let edge: string;

/** A request for at most `tokens`; the answer has `length`. */
async function ask(url: string, key: string, tokens: number, length: number) {
	const response = await fetch(`${url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify({
			model: MODEL,
			messages: [{ role: "user", content: "x" }],
			max_tokens: tokens,
			sim: { output_tokens: length },
		}),
	});
	const body = await response.text();
	return { status: response.status, body, details: response.ok ? {} : JSON.parse(body).error.details };
}

/** What one request may ask for so that it reserves no more than `left`. */
function tokensFor(left: number): number {
	return Math.floor((left - 1) / TOKEN_NANO);
}

beforeAll(async () => {
	gateway = await startGateway({
		...OUTPUT_PRICED,
		edges: 1,
		// Idle leases are kept for long, so that what comes back does so because it was recalled.
		settings: {
			logRequests: false,
			ledgerDeadlineSeconds: 9,
			recallSeconds: 8,
			leaseIdleSeconds: 20,
			renewSeconds: 0.2,
		},
	});
	edge = gateway.isobar.edgeUrls[0]!;
});
afterAll(() => gateway.stop());

describe("an isolate that holds more than it needs", () => {
	it("gives it back while it has a request in flight, when another isolate needs the last of the budget", async () => {
		const key = await gateway.createKey({ budget: { total_usd: LIMIT / 1e9 } });
		const slow = ask(gateway.isobar.url, key, TOKENS, TOKENS);
		await until("a lease that holds more than its request", async () => {
			return (await usageOf(gateway.isobar.url, key)).budget.outstanding.nano > NEED;
		});
		// All but what the request in flight has reserved.
		const last = await ask(edge, key, tokensFor(LIMIT - NEED), 5);
		expect(last.status, last.body).toBe(200);
		expect((await slow).status).toBe(200);
		const end = await settledUsage(gateway.isobar.url, key, 15);
		expect(end.budget.spent.total).toBe((TOKENS + 5) * TOKEN_NANO);
	});

	it("gives it back when nothing is in flight, and the other is refused only what does not fit even so", async () => {
		const key = await gateway.createKey({ budget: { total_usd: LIMIT / 1e9 } });
		expect((await ask(gateway.isobar.url, key, TOKENS, 10)).status).toBe(200);
		const { budget } = await until("the request to be settled, and its lease kept", async () => {
			const usage = await usageOf(gateway.isobar.url, key);
			return usage.budget.spent.total > 0 && usage;
		});
		expect(budget.outstanding.nano).toBeGreaterThan(0);
		const fits = tokensFor(LIMIT - budget.spent.total);
		const over = await ask(edge, key, fits + 1, 5);
		expect(over.status).toBe(429);
		expect(nano(over.details.needed_usd)).toBe((fits + 1) * TOKEN_NANO + 1);
		expect(nano(over.details.left_usd)).toBe(LIMIT - budget.spent.total - budget.outstanding.nano);
		const last = await ask(edge, key, fits, 5);
		expect(last.status, last.body).toBe(200);
	});
});
