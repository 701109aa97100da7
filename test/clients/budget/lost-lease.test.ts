import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startIsobar, type LocalIsobar } from "../../../scripts/local.ts";
import { startGateway, type Gateway } from "../../support/gateway.ts";
import { until } from "../helpers/until.ts";
import { costOf, MODEL, nano, OUTPUT_PRICED, settledUsage, sumOf, TOKEN_NANO, usageOf } from "./money.ts";

const TOKENS = 10;
const NEED = TOKENS * TOKEN_NANO + 1;
const LIMIT = 20 * NEED;
const SETTINGS = { logRequests: false, leaseSeconds: 1.5, renewSeconds: 0.5, leaseIdleSeconds: 0.2 };

let gateway: Gateway;
let persist: string;
let again: LocalIsobar | undefined;

beforeAll(async () => {
	persist = await mkdtemp(join(tmpdir(), "isobar-lost-"));
	gateway = await startGateway({ ...OUTPUT_PRICED, persist, edges: 1, settings: SETTINGS });
});
afterAll(async () => {
	await again?.stop();
	await gateway.stop();
	await rm(persist, { recursive: true, force: true });
});

function ask(url: string, key: string, tokens = TOKENS): Promise<Response> {
	return fetch(`${url}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify({
			model: MODEL,
			messages: [{ role: "user", content: "x" }],
			max_tokens: tokens,
			ignore_eos: true,
		}),
	});
}

it("what lost isolates held is charged as unconfirmed when their leases end, and the budget is never overspent", async () => {
	const key = await gateway.createKey({ budget: { total_usd: LIMIT / 1e9 } });
	const { url, edgeUrls } = gateway.isobar;
	for (let i = 0; i < 4; i++) expect((await ask(url, key)).status).toBe(200);
	await settledUsage(url, key);
	// Five at one isolate and five at the other, whose pool does not answer.
	gateway.simulator.replica("p/a").behave({ faults: [{ kind: "hang", at: "headers" }] });
	const hanging = Array.from({ length: 10 }, (_, i) => ask(i % 2 === 0 ? url : edgeUrls[0]!, key).catch(() => null));
	const { budget } = await until("ten requests to hold what they need, and nothing more", async () => {
		const usage = await usageOf(url, key);
		return usage.budget.outstanding.slots === 10 && gateway.simulator.replica("p/a").state().inFlight === 10 && usage;
	});
	expect(budget).toMatchObject({ spent: { total: 4 * TOKENS * TOKEN_NANO }, outstanding: { nano: 10 * NEED } });

	await gateway.isobar.kill();
	expect(await Promise.all(hanging)).toEqual(Array.from({ length: 10 }, () => null));
	gateway.simulator.replica("p/a").behave({ faults: [] });
	again = await startIsobar({ persist, settings: SETTINGS });

	// Until the leases end, what they hold is not given to others.
	const early = await usageOf(again.url, key);
	expect(early.budget.spent.total + early.budget.outstanding.nano).toBe(4 * TOKENS * TOKEN_NANO + 10 * NEED);
	const late = await settledUsage(again.url, key, SETTINGS.leaseSeconds + 5);
	expect(late.budget.spent.total).toBe(4 * TOKENS * TOKEN_NANO + 10 * NEED);
	expect(costOf(late)).toBe(late.budget.spent.total);
	expect(nano(sumOf(late.data, (row) => row.unconfirmed_usd))).toBe(10 * NEED);

	// What is left is exactly that: six more, not seven.
	for (let i = 0; i < 6; i++) {
		expect((await ask(again.url, key)).status).toBe(200);
		await settledUsage(again.url, key);
	}
	const refused = await ask(again.url, key);
	expect(refused.status).toBe(429);
	const end = await settledUsage(again.url, key);
	expect(end.budget.spent.total).toBe(10 * NEED + 10 * TOKENS * TOKEN_NANO);
	expect(end.budget.spent.total).toBeLessThanOrEqual(LIMIT);
});
