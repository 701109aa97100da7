import { describe, expect, it } from "vitest";
import type { ReplicaOptions } from "../simulator/options.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

type Provider = NonNullable<ReplicaOptions["provider"]>;

/** Models that a cheap pool of this kind serves, and a dear one that is always warm. */
const COLD: Readonly<Record<string, Provider>> = {
	hf: "huggingface",
	balancer: "runpod_load_balancer",
	keda: "keda",
	queue: "runpod_queue",
};

/** Warm at first. Starts take long where nobody is to wait for one. */
const behaviour = (kind: Provider): NonNullable<ReplicaOptions["behaviour"]> => ({
	coldStartSeconds: kind === "keda" ? 20 : 10_000,
	idleSeconds: null,
	whileStarting: kind === "runpod_load_balancer" ? "503" : "wait",
});

const gateway = await startTestGateway({
	replicas: Object.entries(COLD).flatMap(([model, provider]): ReplicaOptions[] => [
		{ name: `${model}/a`, model, provider, speed: 10, behaviour: behaviour(provider) },
		{ name: `${model}-spare/a`, model, speed: 10 },
	]),
	catalog: (urls) =>
		catalogOf(
			Object.entries(COLD).flatMap(([model, kind]) => [
				poolOf(model, model, urlsOf(urls, model), {
					engine: "vllm",
					price: { per: "million_tokens", input: 0.01, output: 0.01 },
					scale_to_zero: { kind, idle_seconds: 600 },
				}),
				poolOf(`${model}-spare`, model, urlsOf(urls, `${model}-spare`), {
					price: { per: "million_tokens", input: 90, output: 90 },
				}),
			]),
		),
});

const warmth = async (model: string) =>
	(await gateway.fleet(model)).replicas.find(({ replica }) => replica === `${model}/a`)!.warmth;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const askedOf = (model: string): string[] =>
	gateway.simulator
		.replica(`${model}/a`)
		.lastRequests()
		.map(({ method, path }) => `${method} ${path}`);

/** Asks the pool itself, so that the scheduler knows that it is warm. */
async function warmUp(model: string): Promise<void> {
	await (await gateway.chat(model, { max_tokens: 3, isobar: { regions: [model] } })).text();
	await until("the scheduler hears", async () => (await warmth(model))?.state === "warm");
	// A pool that was in use just before would be taken to be full.
	await sleep(1_100);
}

describe("a pool that went cold unseen", () => {
	it.each([
		["hf", 503, "huggingface_answer"],
		["balancer", 400, "runpod_load_balancer_answer"],
	])("%s: the request goes elsewhere, and the scheduler hears that it starts", async (model, status, source) => {
		await warmUp(model);
		gateway.simulator.replica(`${model}/a`).behave({ cold: true });
		const answer = await gateway.chat(model, { max_tokens: 3 });
		expect([answer.status, answer.headers.get("x-isobar-replica")]).toEqual([200, `${model}-spare/a`]);
		const { attempts } = await gateway.record(answer);
		expect(attempts).toMatchObject([
			{ replica: `${model}/a`, status, failure: `the pool is starting, it answered ${status}` },
			{ replica: `${model}-spare/a`, status: 200, failure: null },
		]);
		await until("the scheduler hears", async () => (await warmth(model))?.source === source);
		// It may be up a little more each moment: after so short a time, as good as not at all.
		expect(await warmth(model)).toMatchObject({ state: "waking", p_cold: expect.closeTo(1, 6) });
		const { replicas } = await gateway.fleet(model);
		expect(replicas.find(({ replica }) => replica === `${model}/a`)).toMatchObject({ health: "healthy" });
		// Who comes now does not meet it.
		const next = await gateway.chat(model, { max_tokens: 3 });
		expect(next.headers.get("x-isobar-attempts")).toBe("1");
		expect(next.headers.get("x-isobar-replica")).toBe(`${model}-spare/a`);
	});

	it("a client's own mistake is still the client's", async () => {
		gateway.simulator.replica("balancer/a").behave({ cold: false });
		const regions = { isobar: { regions: ["balancer"] } };
		const answer = await until("the pool takes requests again", async () => {
			const tried = await gateway.chat("balancer", { max_tokens: -3, ...regions });
			return tried.status !== 429 && tried.status !== 503 && tried;
		});
		expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("max_tokens")]);
	});

	it("KEDA's header tells a start from a queue", async () => {
		await warmUp("keda");
		const replica = gateway.simulator.replica("keda/a");
		const ask = async () => {
			const body = { max_tokens: 3, stream: true, isobar: { regions: ["keda"] } };
			const answer = await gateway.chat("keda", body);
			await answer.text();
			await gateway.record(answer);
			return answer.headers.get("x-keda-http-cold-start");
		};
		replica.behave({ cold: true });
		expect(await ask()).toBe("true");
		const started = (await warmth("keda"))!;
		expect(started).toMatchObject({ state: "warm", source: "keda_header" });
		// As late as after a start, but warm.
		replica.behave({ latencySeconds: 20 });
		expect(await ask()).toBe("false");
		// The latency alone is two seconds.
		const queued = await until("the scheduler hears", async () => {
			const now = (await warmth("keda"))!;
			return now.age_seconds! < 1.5 && now;
		});
		expect(queued).toMatchObject({ state: "warm", source: "keda_header", cold_seconds: started.cold_seconds });
	});
});

it("a state that can be read without a start is read while requests are in flight", async () => {
	gateway.simulator.replica("queue/a").behave({ cold: true });
	const leaver = new AbortController();
	const body = { max_tokens: 3, isobar: { regions: ["queue"] } };
	const answer = gateway.chat("queue", body, { signal: leaver.signal }).catch(() => null);
	const seen = await until(
		"the alarm has read it",
		async () => {
			const now = await warmth("queue");
			return now?.source === "runpod_health" && now.state === "waking" && now;
		},
		20,
	);
	expect(seen).toMatchObject({ state: "waking" });
	leaver.abort();
	await answer;
	expect(askedOf("queue")).toContain("GET /v2/queue-a/health");
});

it("pools that a question would wake are sent nothing but requests", () => {
	for (const model of ["hf", "balancer", "keda"]) {
		const asked = askedOf(model);
		expect(asked.length).toBeGreaterThan(0);
		expect(asked.filter((each) => each !== "POST /v1/chat/completions")).toEqual([]);
	}
});
