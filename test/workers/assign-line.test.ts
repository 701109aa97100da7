import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { complete } from "../../functions/route/complete.ts";
import type { AssignRequest, SchedulerPort } from "../../src/shared/scheduler/messages.ts";
import { schedulerName } from "../../src/shared/scheduler/name.ts";
import { assignRequest } from "../support/assign-request.ts";
import { admin } from "./admin-support.ts";

const MODEL = "line-m";
const URL = "https://gateway.example.com/v1/chat/completions";
let key = "";

beforeAll(async () => {
	const put = await admin("PUT", "/admin/catalog", {
		models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 }],
		pools: [
			{
				id: "p",
				model: MODEL,
				engine: "vllm",
				place: { provider: "x", region: "eu" },
				price: { per: "million_tokens", input: 1, output: 1 },
				replicas: [{ id: "a", url: "https://pool.test" }],
			},
		],
	});
	expect(put.status).toBe(200);
	key = (await admin("POST", "/admin/keys", { tenant: "line", budget: { total_usd: 10 } })).body.key;
});

beforeEach(() => {
	vi.spyOn(globalThis, "fetch").mockImplementation(async () =>
		Response.json({ choices: [], usage: { prompt_tokens: 2, completion_tokens: 1 } }),
	);
});
afterEach(() => void vi.restoreAllMocks());

function http(signal?: AbortSignal): Request {
	return new Request(URL, {
		method: "POST",
		headers: { authorization: `Bearer ${key}` },
		body: JSON.stringify({ model: MODEL, max_tokens: 5, messages: [{ role: "user", content: "hello" }] }),
		...(signal && { signal }),
	});
}

test("a request that an object cannot even read is not answered, those that came with it are", async () => {
	const port: SchedulerPort = env.SCHEDULER.getByName(`${schedulerName(MODEL)}/broken`);
	const [a, b, c] = ["a", "b", "c"].map((reservation) => assignRequest({ reservation, model: MODEL }));
	// As of another version of the Worker.
	const broken = { ...b!, policy: null } as unknown as AssignRequest;
	const { replies } = await port.assign([a!, broken, c!], { first: [], ended: [], renewals: [] });
	expect(replies.map((reply) => reply?.kind)).toEqual(["assigned", undefined, "assigned"]);
	expect(await port.status(MODEL, 1)).toMatchObject({ in_flight: 2 });
});

/** A scheduler whose first call never comes back, and that has no replica for whom it answers. */
function hangingOnce() {
	const calls: (readonly AssignRequest[])[] = [];
	const object = {
		async assign(requests: readonly AssignRequest[]) {
			calls.push(requests);
			if (calls.length === 1) return new Promise<never>(() => {});
			const explanation = { replicas: [], rejected: [], values: [] };
			const error = { code: "overloaded", message: "full" };
			return { replies: requests.map(() => ({ kind: "refused", error, explanation })), bills: [] };
		},
		mail: async () => [],
	};
	return { calls, SCHEDULER: { getByName: () => object } };
}

test("a call that hangs costs its own request its time, and nobody else", async () => {
	const { calls, SCHEDULER } = hangingOnce();
	const bindings = Object.defineProperties({ ...env }, Object.getOwnPropertyDescriptors({ SCHEDULER }));
	const contexts = Array.from({ length: 6 }, createExecutionContext);
	const left = new AbortController();
	const answers = contexts.map((ctx, i) => complete("chat", http(i === 1 ? left.signal : undefined), bindings, ctx));
	// The second one's client leaves meanwhile.
	await vi.waitFor(() => expect(calls.length).toBeGreaterThan(0));
	left.abort();
	const [first, gone, ...others] = await Promise.all(answers);
	expect([first!.status, first!.headers.get("x-isobar-decided-by")]).toEqual([200, "fallback"]);
	expect(gone!.status).not.toBe(200);
	for (const other of others) expect(await other.json()).toMatchObject({ error: { code: "overloaded" } });
	await Promise.all(contexts.map(waitOnExecutionContext));
	expect(calls[0]).toHaveLength(1);
});
