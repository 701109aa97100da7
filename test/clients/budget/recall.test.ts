import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";
import { MODEL, nano, OUTPUT_PRICED, settledUsage, TOKEN_NANO, usageOf } from "./money.ts";

const SMALL = 10 * TOKEN_NANO + 1;
/** The first lease of a key covers four requests when a 32nd of its budget does. */
const LIMIT = 128 * SMALL;

interface Asked {
	readonly status: number;
	readonly body: string;
	readonly details: Readonly<Record<string, number>>;
}

let gateway: Gateway;
let edge: string;

async function ask(url: string, key: string, tokens: number, stream = false): Promise<Asked> {
	const body = { model: MODEL, messages: [{ role: "user", content: "x" }], max_tokens: tokens, ignore_eos: true, stream };
	const response = await fetch(`${url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify(body),
	});
	const text = await response.text();
	return { status: response.status, body: text, details: response.ok ? {} : JSON.parse(text).error.details };
}

/** What may be asked for in one request so that what it reserves is at most `left`. */
function tokensFor(left: number): number {
	return Math.floor((left - 1) / TOKEN_NANO);
}

describe("an isolate that holds more than it needs", () => {
	beforeAll(async () => {
		gateway = await startGateway({
			...OUTPUT_PRICED,
			edges: 1,
			// Idle leases are kept for long, so that what comes back does so because it was asked for.
			settings: { logRequests: false, ledgerDeadlineSeconds: 9, recallSeconds: 8, leaseIdleSeconds: 20, renewSeconds: 0.2 },
		});
		edge = gateway.isobar.edgeUrls[0]!;
	});
	afterAll(() => gateway.stop());

	it("gives it back while it has requests in flight, when another isolate needs the last of the budget", async () => {
		const key = await gateway.createKey({ budget: { total_usd: LIMIT / 1e9 } });
		const slow = ask(gateway.isobar.url, key, 200, true);
		const { budget } = await until("a lease that holds more than its request", async () => {
			const usage = await usageOf(gateway.isobar.url, key);
			return usage.budget.outstanding.requests > 1 && usage;
		});
		const inFlight = 200 * TOKEN_NANO + 1;
		expect(budget.outstanding.nano).toBeGreaterThan(inFlight);
		const left = LIMIT - inFlight;
		expect(tokensFor(left) * TOKEN_NANO + 1 + budget.outstanding.nano).toBeGreaterThan(LIMIT);

		const asked = await ask(edge, key, tokensFor(left));
		expect(asked.status, asked.body).toBe(200);
		expect((await slow).status).toBe(200);
		const end = await settledUsage(gateway.isobar.url, key);
		expect(end.budget.spent.total).toBe((200 + tokensFor(left)) * TOKEN_NANO);
	});

	it("gives it back without any in flight, and the other is refused only what does not fit then", async () => {
		const key = await gateway.createKey({ budget: { total_usd: LIMIT / 1e9 } });
		expect((await ask(gateway.isobar.url, key, 10)).status).toBe(200);
		const { budget } = await until("the request to be settled and its lease kept", async () => {
			const usage = await usageOf(gateway.isobar.url, key);
			return usage.budget.spent.total > 0 && usage;
		});
		expect(budget.outstanding.nano).toBeGreaterThan(0);
		const left = LIMIT - budget.spent.total;
		const over = await ask(edge, key, tokensFor(left) + 1);
		expect(over).toMatchObject({ status: 429, details: { needed_usd: ((tokensFor(left) + 1) * TOKEN_NANO + 1) / 1e9 } });
		expect(nano(over.details["left_usd"]!)).toBeLessThan(nano(over.details["needed_usd"]!));
		const asked = await ask(edge, key, tokensFor(left));
		expect(asked.status, asked.body).toBe(200);
		expect((await settledUsage(gateway.isobar.url, key)).budget.spent.total).toBe((10 + tokensFor(left)) * TOKEN_NANO);
	});
});
