import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { settledUsage } from "./budget/money.ts";
import { catalogOf, poolOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { chatAnswer, plain, startScriptedPool, usage } from "./helpers/scripted-pool.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const pool = await startScriptedPool();
const gateway = await startTestGateway({
	replicas: [],
	// However slow this machine is, the scheduler is waited for.
	settings: { schedulerDeadlineSeconds: 20 },
	catalog: () => catalogOf([poolOf("p", "m", [pool.url("a")], { max_concurrency: 512 })]),
});
const AT_ONCE = 120;
const LEAVE = 30;

it("of many requests at once each is assigned by the scheduler, whoever of those that ask with it hangs up", async () => {
	pool.on("a", plain(chatAnswer(usage(10, 5))));
	const key = await gateway.createKey({ tenant: "busy", budget: { day_usd: 10 } });
	const body = JSON.stringify({ model: "m", max_tokens: 5, messages: [{ role: "user", content: "x" }] });
	const leaving = Array.from({ length: LEAVE }, async () => {
		const socket = await rawPost(`${gateway.isobar.url}/v1/chat/completions`, key, body);
		await sleep(1);
		socket.resetAndDestroy();
	});
	const answers = await Promise.all(
		Array.from({ length: AT_ONCE }, async () => {
			const headers = { authorization: `Bearer ${key}` };
			const response = await fetch(`${gateway.baseURL}/chat/completions`, { method: "POST", headers, body });
			await response.text();
			return response;
		}),
	);
	await Promise.all(leaving);
	expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
	expect(new Set(answers.map(({ headers }) => headers.get("x-isobar-decided-by")))).toEqual(new Set(["scheduler"]));
	expect(new Set(answers.map(({ headers }) => headers.get("x-isobar-request-id"))).size).toBe(AT_ONCE);
	await until("an idle fleet", async () => (await gateway.fleet("m")).in_flight === 0 || undefined);
	const { budget, data } = await settledUsage(gateway.isobar.url, key);
	expect(budget.outstanding).toMatchObject({ nano: 0, slots: 0 });
	const requests = data.reduce((sum, row) => sum + row.requests, 0);
	expect(requests).toBeGreaterThanOrEqual(AT_ONCE);
	expect(requests).toBeLessThanOrEqual(AT_ONCE + LEAVE);
});
