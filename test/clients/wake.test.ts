import { describe, expect, it } from "vitest";
import type { ReplicaOptions } from "../simulator/options.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

/** A thousandth of an engine's times; a start takes half a second. */
const zero = (model: string, provider: NonNullable<ReplicaOptions["provider"]>): ReplicaOptions => ({
	name: `${model}/a`,
	model,
	provider,
	speed: 1_000,
	startCold: provider !== "vllm_sleep",
	behaviour: { coldStartSeconds: 500, idleSeconds: null },
});

const gateway = await startTestGateway({
	replicas: [
		zero("knative", "knative"),
		{ name: "dear/a", model: "knative", speed: 1_000 },
		zero("vllm", "vllm_sleep"),
	],
	catalog: (urls) =>
		catalogOf([
			poolOf("knative", "knative", urlsOf(urls, "knative"), {
				engine: "vllm",
				price: { per: "gpu_second", usd: 0.00001 },
				scale_to_zero: { kind: "knative", cold_seconds: 10 },
			}),
			poolOf("dear", "knative", urlsOf(urls, "dear"), { price: { per: "million_tokens", input: 50, output: 50 } }),
			poolOf("vllm", "vllm", urlsOf(urls, "vllm"), {
				engine: "vllm",
				price: { per: "gpu_hour", usd: 1 },
				scale_to_zero: { kind: "vllm_sleep" },
			}),
		]),
});

// Before any scheduler looks.
await fetch(`${gateway.simulator.replica("vllm/a").url}/sleep?level=1`, { method: "POST" });

const warmth = async (model: string) =>
	(await gateway.fleet(model)).replicas.find(({ replica }) => replica === `${model}/a`)!.warmth!;
const asked = (model: string): string[] =>
	gateway.simulator
		.replica(`${model}/a`)
		.lastRequests()
		.map(({ method, path }) => `${method} ${path}`);

describe("a cold pool", () => {
	it("is woken when going elsewhere has cost its start, and no request waits for that", async () => {
		const ask = async () => (await gateway.chat("knative", { max_tokens: 50 })).headers.get("x-isobar-replica");
		expect(await ask()).toBe("dear/a");
		await until("it is asked to start", async () => (await ask()) && asked("knative").length > 0);
		await until("it is up", async () => (await warmth("knative")).state === "warm");
		expect(await ask()).toBe("knative/a");
		// The call, and no request before it.
		expect(asked("knative")[0]).toBe("GET /v1/models");
		expect(asked("knative").filter((each) => each === "GET /v1/models")).toHaveLength(1);
		expect(gateway.simulator.replica("knative/a").state().starts).toBe(1);
	});
});

describe("an engine that sleeps", () => {
	it("is woken for requests that wait here meanwhile, and gets them when it is awake", async () => {
		await until("the scheduler has read it", async () => (await warmth("vllm")).state === "asleep");
		const answers = await Promise.all(Array.from({ length: 8 }, () => gateway.chat("vllm", { max_tokens: 3 })));
		expect(answers.map(({ status }) => status)).toEqual(Array.from(answers, () => 200));
		const calls = asked("vllm");
		expect(calls.filter((each) => each.startsWith("POST /wake_up"))).toHaveLength(1);
		// None came before it was awake.
		expect(calls.indexOf("POST /v1/chat/completions")).toBeGreaterThan(
			calls.findIndex((each) => each.startsWith("POST /wake_up")),
		);
		expect(await warmth("vllm")).toMatchObject({ state: "warm", p_cold: 0 });
	});
});
