import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startGateway, type Gateway, type KeyOptions } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";
import { lockObjects } from "./locked.ts";
import { costOf, MODEL, OUTPUT_PRICED, recordsOf, settledUsage, sumOf, TOKEN_NANO, usageOf } from "./money.ts";

const TOKENS = 10;
const NEED = TOKENS * TOKEN_NANO + 1;
const ALLOWED = 5;

let gateway: Gateway;
let persist: string;
let urls: readonly string[];

beforeAll(async () => {
	persist = await mkdtemp(join(tmpdir(), "isobar-unreachable-"));
	gateway = await startGateway({
		...OUTPUT_PRICED,
		persist,
		edges: 1,
		settings: { logRequests: false, leaseIdleSeconds: 0.1 },
	});
	urls = [gateway.isobar.url, ...gateway.isobar.edgeUrls];
});
afterAll(async () => {
	await gateway.stop();
	await rm(persist, { recursive: true, force: true });
});

async function ask(url: string, key: string, tokens = TOKENS) {
	const response = await fetch(`${url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify({
			model: MODEL,
			messages: [{ role: "user", content: "x" }],
			max_tokens: tokens,
			ignore_eos: true,
		}),
	});
	const { error } = (await response.json()) as { error?: { code: string } };
	return { status: response.status, code: error?.code ?? null, headers: response.headers };
}

/** A key that has been answered once and of which no isolate holds a lease. */
async function usedKey(options: KeyOptions): Promise<string> {
	const key = await gateway.createKey({ budget: { total_usd: 1 }, ...options });
	for (const url of urls) expect((await ask(url, key)).status).toBe(200);
	await settledUsage(gateway.isobar.url, key);
	return key;
}

describe("while the ledger cannot be reached", () => {
	it("a key with a budget is refused by default, and no pool is called", async () => {
		const key = await usedKey({});
		const before = gateway.simulator.replica("p/a").state().requests;
		const unlock = await lockObjects(persist, "Ledger");
		try {
			for (const url of urls) {
				const { status, code, headers } = await ask(url, key);
				expect({ status, code }).toEqual({ status: 503, code: "ledger_unavailable" });
				expect(headers.get("x-should-retry")).toBe("true");
				expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
			}
		} finally {
			unlock();
		}
		expect(gateway.simulator.replica("p/a").state().requests).toBe(before);
		for (const url of urls) expect((await ask(url, key)).status).toBe(200);
		await settledUsage(gateway.isobar.url, key);
	});

	it("a key that says so may spend up to its amount in each isolate; all of it is booked when the ledger is back", async () => {
		const key = await usedKey({ ledger_unreachable: (ALLOWED * NEED + 1) / 1e9 });
		let paid = urls.length;
		// Twice: the ledger's return gives the isolates their amount anew.
		for (let outage = 0; outage < 2; outage++) {
			const before = gateway.simulator.replica("p/a").state().requests;
			const unlock = await lockObjects(persist, "Ledger");
			let answers: Awaited<ReturnType<typeof ask>>[];
			try {
				answers = await Promise.all(urls.flatMap((url) => Array.from({ length: 12 }, () => ask(url, key))));
			} finally {
				unlock();
			}
			const served = answers.filter((answer) => answer.status === 200);
			expect(served).toHaveLength(ALLOWED * urls.length);
			expect(answers.filter(({ code }) => code === "ledger_unavailable")).toHaveLength((12 - ALLOWED) * urls.length);
			expect(gateway.simulator.replica("p/a").state().requests - before).toBe(served.length);

			paid += served.length;
			const usage = await until("all that was spent to be booked", async () => {
				const now = await usageOf(gateway.isobar.url, key);
				return now.budget.spent.total >= paid * TOKENS * TOKEN_NANO && now;
			});
			const ids = served.map((answer) => answer.headers.get("x-isobar-request-id"));
			const records = await recordsOf(gateway.isobar.url, key, ids);
			expect(sumOf(records, (record) => record.cost_nano_usd)).toBe(served.length * TOKENS * TOKEN_NANO);
			expect(costOf(usage)).toBe(paid * TOKENS * TOKEN_NANO);
			for (const url of urls) expect((await ask(url, key)).status).toBe(200);
			paid += urls.length;
			await settledUsage(gateway.isobar.url, key);
		}
	});

	it("a request in flight goes on, and is settled as it was when the ledger is back", async () => {
		const key = await usedKey({});
		const running = ask(gateway.isobar.url, key, 60);
		await until("the request to be in flight", () => gateway.simulator.replica("p/a").state().inFlight === 1);
		const unlock = await lockObjects(persist, "Ledger");
		let id: string | null;
		try {
			const { status, headers } = await running;
			expect(status).toBe(200);
			id = headers.get("x-isobar-request-id");
			const unread = await fetch(`${gateway.baseURL}/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
			expect(unread.status).toBe(404);
		} finally {
			unlock();
		}
		const [record] = await recordsOf(gateway.isobar.url, key, [id]);
		expect(record).toMatchObject({ status: 200, cost_nano_usd: 60 * TOKEN_NANO });
		const usage = await settledUsage(gateway.isobar.url, key);
		expect(usage.budget.spent.total).toBe((60 + urls.length * TOKENS) * TOKEN_NANO);
		expect(sumOf(usage.data, (row) => row.unconfirmed_usd)).toBe(0);
	});

	it("a key without any limit needs no ledger to be answered", async () => {
		const unlock = await lockObjects(persist, "Ledger");
		try {
			for (const url of urls) expect((await ask(url, gateway.key)).status).toBe(200);
		} finally {
			unlock();
		}
	});
});

describe("a ledger that answers too late", () => {
	/** Usage can be read when it is in time. */
	function nothingHeld(url: string, key: string) {
		return until("nothing to be held any more", async () => {
			const usage = await usageOf(url, key).catch(() => null);
			return usage?.budget.outstanding.nano === 0 && usage;
		});
	}

	it("leaves nothing held or charged for those that were refused, though it has granted their leases", async () => {
		// Now and then a call is in time all the same, and then its request is served as ever.
		const settings = { logRequests: false, ledgerDeadlineSeconds: 1e-6, leaseIdleSeconds: 0.1, leaseSeconds: 600 };
		const late = await startGateway({ ...OUTPUT_PRICED, edges: 1, settings });
		try {
			const to = [late.isobar.url, ...late.isobar.edgeUrls];
			const key = await late.createKey({ budget: { total_usd: 1 } });
			const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(to[i % 2]!, key)));
			const served = answers.filter((answer) => answer.status === 200).length;
			expect(answers.filter(({ code }) => code === "ledger_unavailable")).toHaveLength(40 - served);
			expect(served).toBeLessThan(40);
			const usage = await nothingHeld(to[0]!, key);
			expect(usage.budget.spent.total).toBe(served * TOKENS * TOKEN_NANO);
		} finally {
			await late.stop();
		}
	});
});
