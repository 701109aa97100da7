import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { adminApp } from "../../functions/admin/index.ts";

async function call(method: string, path: string, body?: unknown, set: object = {}): Promise<Response> {
	const ctx = createExecutionContext();
	const headers = { authorization: `Bearer ${env.ADMIN_TOKEN}`, "content-type": "application/json" };
	const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
	const response = await adminApp.request(`http://isobar.test${path}`, init, { ...env, ...set }, ctx);
	await waitOnExecutionContext(ctx);
	return response;
}

test("the fleet shows each model's replicas with their health, load and rates", async () => {
	const pool = {
		id: "p",
		model: "fleet-m",
		engine: "vllm",
		gpu: { type: "L4" },
		place: { provider: "x", region: "eu" },
	};
	const catalog = {
		models: [{ id: "fleet-m", context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 }],
		pools: [{ ...pool, price: { per: "gpu_second", usd: 0.0002 }, replicas: [{ id: "a", url: "http://pool.test" }] }],
	};
	expect((await call("PUT", "/catalog", catalog)).status).toBe(200);
	const response = await call("GET", "/fleet");
	expect(await response.json()).toMatchObject({
		models: {
			"fleet-m": {
				in_flight: 0,
				waiting: 0,
				replicas: [
					{
						replica: "p/a",
						health: "healthy",
						in_flight: 0,
						prefix_cache: { blocks: 0, answers: 0, possible_tokens: 0, predicted_tokens: 0, actual_tokens: 0 },
						busy_seconds: 0,
						busy_usd: 0,
					},
				],
			},
		},
	});
});

test("a scheduler that hangs does not hide the others", async () => {
	const pools = ["slow-m", "quick-m"].map((model) => ({
		id: model,
		model,
		engine: "vllm",
		place: { provider: "x", region: "eu" },
		price: { per: "gpu_second", usd: 0.0002 },
		replicas: [{ id: "a", url: `http://${model}.test` }],
	}));
	const models = pools.map(({ id }) => ({ id, context_length: 8_192, capabilities: ["chat"] }));
	expect((await call("PUT", "/catalog", { models, pools })).status).toBe(200);
	const real = env.SCHEDULER;
	const SCHEDULER = {
		getByName: (name: string) =>
			name.startsWith("slow-m") ? { status: () => new Promise(() => {}) } : real.getByName(name),
	};
	const response = await call("GET", "/fleet", undefined, { SCHEDULER });
	expect(await response.json()).toMatchObject({ models: { "slow-m": null, "quick-m": { in_flight: 0 } } });
});

test("only the operator sees it", async () => {
	const response = await adminApp.request("http://isobar.test/fleet", {}, env, createExecutionContext());
	expect(response.status).toBe(401);
});
