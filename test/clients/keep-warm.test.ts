import { describe, expect, it } from "vitest";
import type { ScaleToZero } from "../../src/shared/catalog/schema.ts";
import type { ReplicaOptions } from "../simulator/options.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

/** A thousandth of an engine's times, so that a provider's 4,000 s are 4 s here. */
const replica = (model: string, provider: NonNullable<ReplicaOptions["provider"]>): ReplicaOptions => ({
	name: `${model}/a`,
	model,
	provider,
	speed: 1_000,
	behaviour: { coldStartSeconds: 500, idleSeconds: provider === "vllm_sleep" ? null : 4_000 },
});

/** A start is said to take 30 s, so that it is worth some dimes not to need one. */
const pool = (
	model: string,
	urls: ReadonlyMap<string, string>,
	zero: Partial<ScaleToZero> & Pick<ScaleToZero, "kind">,
) =>
	poolOf(model, model, urlsOf(urls, model), {
		engine: "vllm",
		price: { per: "gpu_second", usd: 0.001 },
		scale_to_zero: { cold_seconds: 30, ...(zero.kind !== "vllm_sleep" && { idle_seconds: 4 }), ...zero },
	});

const gateway = await startTestGateway({
	replicas: [
		replica("kept", "plain"),
		replica("off", "plain"),
		replica("sleeper", "vllm_sleep"),
		replica("runpod", "runpod_queue"),
	],
	catalog: (urls) => {
		const settings_url = new URL("/v1/endpoints/runpod-a", urls.get("runpod/a")).href;
		return catalogOf([
			pool("kept", urls, { kind: "plain" }),
			pool("off", urls, { kind: "plain", keep_warm: false }),
			pool("sleeper", urls, { kind: "vllm_sleep", idle_usd_per_hour: 100 }),
			pool("runpod", urls, { kind: "runpod_queue", settings_url }),
		]);
	},
});

const simulated = (model: string) => gateway.simulator.replica(`${model}/a`);
const acts = async (model: string) =>
	(await gateway.fleet(model)).acts.map(({ act, reason, replica: name }) => ({ act, reason, name }));
const ask = async (model: string) => {
	const answer = await gateway.chat(model, { max_tokens: 3 });
	expect(answer.status).toBe(200);
	await answer.arrayBuffer();
};
const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, n * 1_000));

describe("a pool that scales to zero after 4 s", () => {
	it("is kept warm by calls while the next request is likely, unless the operator says no", async () => {
		await Promise.all([ask("kept"), ask("off")]);
		await seconds(7);
		expect(simulated("kept").state()).toMatchObject({ warmth: "warm", starts: 0 });
		expect(simulated("off").state().warmth).toBe("cold");
		const calls = simulated("kept").lastRequests();
		expect(calls.filter(({ path }) => path === "/v1/models").length).toBeGreaterThan(1);
		expect(simulated("off").lastRequests()).toHaveLength(1);
		expect(await acts("kept")).toContainEqual({ act: "keep", reason: "demand", name: "kept/a" });
		expect(await acts("off")).toEqual([]);
		expect(gateway.log.some((line) => line.includes('"event":"warmth"') && line.includes('"act":"keep"'))).toBe(true);
	});

	it("has its time-out set at the provider, when there is a pattern to set it by", async () => {
		for (let n = 0; n < 40; n++) await ask("runpod");
		const set = () =>
			simulated("runpod")
				.lastRequests()
				.filter(({ method }) => method === "PATCH");
		await until("the time-out is set", async () => set().length > 0);
		const { idleTimeout } = JSON.parse(set()[0]!.body);
		expect(idleTimeout).toBeGreaterThan(6);
		await until("it is known", async () => {
			const [known] = (await gateway.fleet("runpod")).replicas;
			return known!.warmth!.idle_seconds === idleTimeout;
		});
		expect(await acts("runpod")).toContainEqual({ act: "idle_timeout", reason: "demand", name: "runpod/a" });
		expect(set()).toHaveLength(1);
	});
});

describe("an engine whose box is paid anyway", () => {
	it("is put to sleep when its memory is worth more to others, and woken by the next request", async () => {
		await ask("sleeper");
		await until("it sleeps", async () => simulated("sleeper").state().warmth === "asleep");
		expect(await acts("sleeper")).toContainEqual({ act: "let_go", reason: "demand", name: "sleeper/a" });
		await ask("sleeper");
		const calls = simulated("sleeper")
			.lastRequests()
			.map(({ path }) => path.split("?")[0]);
		expect(calls.filter((path) => path === "/sleep").length).toBeGreaterThan(0);
		expect(calls.filter((path) => path === "/wake_up")).toHaveLength(1);
	});
});
