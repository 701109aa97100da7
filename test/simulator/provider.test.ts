import { describe, expect, it } from "vitest";
import type { ReplicaOptions } from "./options.ts";
import type { SimulatedReplica } from "./simulator.ts";
import { chat, startReplica, until } from "./testing.ts";

type Provider = NonNullable<ReplicaOptions["provider"]>;

/** Cold, with starts of a hundred seconds in a tenth of one; never idle by itself. */
const cold = (provider: Provider, more: Partial<ReplicaOptions> = {}): Promise<SimulatedReplica> =>
	startReplica({
		provider,
		startCold: true,
		speed: 1_000,
		...more,
		behaviour: { coldStartSeconds: 100, idleSeconds: null, ...more.behaviour },
	});

const get = (url: string, headers: Record<string, string> = {}): Promise<Response> => fetch(url, { headers });

describe("a status that is the provider's", () => {
	it.each<[Provider, string, object, object, object]>([
		[
			"runpod_queue",
			"/v2/r/health",
			{ workers: { idle: 0, initializing: 0, running: 0 } },
			{ jobs: { inQueue: 1 }, workers: { idle: 0, initializing: 1 } },
			{ jobs: { inQueue: 0 }, workers: { idle: 1, initializing: 0 } },
		],
		[
			"huggingface",
			"/v2/endpoint/simulated/r",
			{ status: { state: "scaledToZero" } },
			{ status: { state: "initializing" } },
			{ status: { state: "running" } },
		],
		[
			"modal",
			"/stats",
			{ backlog: 0, num_total_runners: 0 },
			{ backlog: 1, num_total_runners: 1 },
			{ backlog: 0, num_total_runners: 1 },
		],
		["cog", "/health-check", { error: { code: 503 } }, { status: "STARTING" }, { status: "READY" }],
	])("%s tells it at %s without a start", async (provider, path, whenCold, whenStarting, whenWarm) => {
		const replica = await cold(provider, { behaviour: { coldStartSeconds: 1e6 } });
		const status = async () => (await get(new URL(path, replica.url).href)).json();
		expect(await status()).toMatchObject(whenCold);
		expect(replica.state()).toMatchObject({ warmth: "cold", starts: 0 });
		const answer = chat(replica, { max_tokens: 1 });
		await until(() => replica.state().warmth === "starting");
		expect(await status()).toMatchObject(whenStarting);
		replica.behave({ cold: false });
		await answer;
		expect(await status()).toMatchObject(whenWarm);
		expect(replica.state().starts).toBe(1);
	});

	it("does not keep the replica from becoming idle; any other path does, and starts it", async () => {
		const replica = await cold("runpod_queue", { behaviour: { idleSeconds: 700 } });
		expect((await get(`${replica.url}/v1/models`)).status).toBe(200);
		const status = new URL("/v2/r/health", replica.url).href;
		await until(() => {
			void get(status);
			return replica.state().warmth === "cold";
		});
		replica.behave({ cold: false });
		const began = performance.now();
		while (performance.now() - began < 900) await get(`${replica.url}/v1/models`);
		expect(replica.state()).toMatchObject({ warmth: "warm", starts: 1 });
	});

	it("needs the key, as all that the provider answers does", async () => {
		const replica = await cold("runpod_queue", { apiKey: "secret" });
		const url = new URL("/v2/r/health", replica.url).href;
		expect((await get(url)).status).toBe(401);
		expect((await get(url, { authorization: "Bearer secret" })).status).toBe(200);
	});
});

describe("a request that comes while it is cold", () => {
	it("RunPod's queue: stands in it; idle after five seconds by default", async () => {
		expect((await startReplica({ provider: "runpod_queue" })).state().behaviour.idleSeconds).toBe(5);
		const replica = await cold("runpod_queue");
		expect((await chat(replica, { max_tokens: 1 })).status).toBe(200);
		expect((await get(new URL("/health", replica.url).href)).status).toBe(200);
	});

	it("RunPod's balancer: waits for two minutes, then gets 400; /ping starts it with 204", async () => {
		const replica = await cold("runpod_load_balancer", { behaviour: { coldStartSeconds: 10_000 } });
		expect((await get(`${replica.url}/ping`)).status).toBe(204);
		expect(replica.state()).toMatchObject({ warmth: "starting", starts: 1 });
		const refused = await chat(replica);
		expect([refused.status, await refused.json()]).toEqual([400, { error: "no workers available" }]);
		expect(replica.state().parked).toBe(0);
		replica.behave({ cold: false });
		expect((await get(`${replica.url}/ping`)).status).toBe(200);
	});

	it("Hugging Face: 503 at once, or held as long as X-Scale-Up-Timeout says", async () => {
		const replica = await cold("huggingface");
		expect((await chat(replica)).status).toBe(503);
		const held = await get(`${replica.url}/v1/models`, { "x-scale-up-timeout": "600" });
		expect(held.status).toBe(200);
		expect(replica.state().starts).toBe(1);
		replica.behave({ cold: true, coldStartSeconds: 10_000 });
		expect((await get(`${replica.url}/v1/models`, { "x-scale-up-timeout": "50" })).status).toBe(503);
	});

	it("KEDA: waits, and every answer says whether it did", async () => {
		const replica = await cold("keda");
		const header = async () => (await chat(replica, { max_tokens: 1 })).headers.get("x-keda-http-cold-start");
		expect(await header()).toBe("true");
		expect(await header()).toBe("false");
	});

	it("Knative: waits, and the answer does not tell", async () => {
		const replica = await cold("knative");
		const answer = await chat(replica, { max_tokens: 1 });
		expect(answer.status).toBe(200);
		expect([...answer.headers.keys()].filter((name) => /cold|knative/.test(name))).toEqual([]);
	});

	it("llama.cpp: loads the model again, which /props tells and does not cause", async () => {
		const replica = await startReplica({
			provider: "llama_cpp",
			speed: 1_000,
			behaviour: { idleSeconds: null, coldStartSeconds: 100 },
		});
		const props = async () => (await get(`${replica.url}/props`)).json();
		expect(await props()).toEqual({ is_sleeping: false });
		replica.behave({ idleSeconds: 20 });
		await until(() => replica.state().warmth === "asleep");
		expect((await get(`${replica.url}/health`)).status).toBe(200);
		expect(await props()).toEqual({ is_sleeping: true });
		replica.behave({ idleSeconds: null });
		expect((await chat(replica, { max_tokens: 1 })).status).toBe(200);
		expect(replica.state().starts).toBe(1);
	});
});

it("takes the engine's time and the platform's for a start, unless it is told another", async () => {
	const took = async (options: Partial<ReplicaOptions>) => {
		const replica = await startReplica({ provider: "knative", startCold: true, speed: 1_000, ...options });
		const began = performance.now();
		await chat(replica, { max_tokens: 1 });
		return performance.now() - began;
	};
	expect(await took({})).toBeGreaterThan(59);
	expect(await took({ profile: { coldStart: { medianSeconds: 400, sigma: 0 } } })).toBeGreaterThan(399);
});

describe("vLLM's sleep", () => {
	const post = (replica: SimulatedReplica, path: string, body?: object) =>
		fetch(replica.url + path, { method: "POST", ...(body && { body: JSON.stringify(body) }) });

	it("wakes part by part; level 2 needs its weights reloaded", async () => {
		const replica = await startReplica({ provider: "vllm_sleep", speed: 1_000 });
		const isSleeping = async () => (await get(`${replica.url}/is_sleeping`)).json();
		await post(replica, "/sleep?level=2");
		expect(replica.state().weights).toBe("discarded");
		await post(replica, "/wake_up?tags=weights");
		expect(await isSleeping()).toEqual({ is_sleeping: true });
		expect((await post(replica, "/collective_rpc", { method: "reload_weights" })).status).toBe(200);
		await post(replica, "/wake_up?tags=kv_cache");
		expect(await isSleeping()).toEqual({ is_sleeping: false });
		expect(replica.state()).toMatchObject({ warmth: "warm", weights: "loaded" });
		await post(replica, "/sleep?level=2");
		await post(replica, "/wake_up");
		expect(replica.state()).toMatchObject({ warmth: "warm", weights: "discarded" });
		expect((await post(replica, "/collective_rpc", { method: "shutdown" })).status).toBe(400);
	});
});
