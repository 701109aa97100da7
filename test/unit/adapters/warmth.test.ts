import { describe, expect, test } from "vitest";
import { readMark } from "../../../src/adapters/engine-metrics.ts";
import { probeReplica } from "../../../src/adapters/probe.ts";
import { canReadWarmth, readWarmth } from "../../../src/adapters/warmth/read-warmth.ts";
import { letGo, setIdleTimeout } from "../../../src/adapters/warmth/control.ts";
import { keep, wake } from "../../../src/adapters/warmth/wake.ts";
import { SCALE_TO_ZERO_NAMES, type ScaleToZeroName } from "../../../src/shared/catalog/scale-to-zero.ts";
import { buildSnapshot, type CatalogReplica } from "../../../src/shared/catalog/snapshot.ts";
import { catalogSchema, type ScaleToZero } from "../../../src/shared/catalog/schema.ts";
import type { ReplicaOptions } from "../../simulator/options.ts";
import type { SimulatedReplica } from "../../simulator/simulator.ts";
import { chat, MODEL, startReplica, until } from "../../simulator/testing.ts";

const ENV = { PROVIDER_KEY: "provider", POOL_KEY: "pool" };

/** Where the simulator tells the state of the kinds that need a `status_url`. */
const STATUS_PATHS: Partial<Record<ScaleToZeroName, string>> = {
	huggingface: "/v2/endpoint/simulated/r",
	modal: "/stats",
	cog: "/health-check",
};

/** A simulated replica as a catalog has it. */
function entry(
	replica: SimulatedReplica,
	kind: ScaleToZeroName,
	zero: Partial<ScaleToZero> = {},
	pool: object = {},
): CatalogReplica {
	const path = STATUS_PATHS[kind];
	const status = path && { status_url: new URL(path, replica.url).href };
	const catalog = catalogSchema.parse({
		models: [{ id: MODEL, context_length: 8_192, capabilities: ["chat"] }],
		pools: [
			{
				id: "pool",
				model: MODEL,
				engine: kind === "llama_cpp" ? "llama_cpp" : "vllm",
				place: { provider: "p", region: "r" },
				price: { per: "gpu_second", usd: 0.001 },
				scale_to_zero: { kind, ...status, ...zero },
				replicas: [{ id: "r", url: replica.url }],
				...pool,
			},
		],
	});
	return buildSnapshot(1, catalog).replicas.get("pool/r")!;
}

/** Cold, or asleep where the kind sleeps; a start takes a hundred seconds of its own, a tenth of one here. */
async function atRest(kind: ScaleToZeroName, more: Partial<ReplicaOptions> = {}): Promise<SimulatedReplica> {
	const sleeps = kind === "vllm_sleep" || kind === "llama_cpp";
	const behaviour = { coldStartSeconds: 100, idleSeconds: kind === "llama_cpp" ? 20 : null, ...more.behaviour };
	const replica = await startReplica({ provider: kind, startCold: !sleeps, speed: 1_000, ...more, behaviour });
	if (kind === "vllm_sleep") await fetch(`${replica.url}/sleep?level=1`, { method: "POST" });
	await until(() => replica.state().warmth === (sleeps ? "asleep" : "cold"));
	return replica;
}

describe("what is asked unasked", () => {
	test.each(SCALE_TO_ZERO_NAMES)("%s: neither wakes it nor keeps it warm", async (kind) => {
		const replica = await atRest(kind);
		const before = replica.state();
		const asked = entry(replica, kind);
		for (let i = 0; i < 3; i++)
			await Promise.all([readWarmth(asked, ENV), probeReplica(asked, ENV), readMark(asked, ENV)]);
		expect(replica.state()).toMatchObject({ warmth: before.warmth, starts: before.starts });
		if (kind === "vllm_sleep") return;
		replica.behave({ cold: false, idleSeconds: 100 });
		await until(() => {
			void readWarmth(asked, ENV);
			return replica.state().warmth === before.warmth;
		});
	});

	test.each(["plain", "keda", "knative", "runpod_load_balancer"] as const)("%s: is not asked at all", async (kind) => {
		const replica = await atRest(kind);
		const asked = entry(replica, kind);
		expect(canReadWarmth(asked)).toBe(false);
		expect(await readWarmth(asked, ENV)).toBeNull();
		expect(await probeReplica(asked, ENV)).toBe(false);
		expect(await readMark(asked, ENV)).toBeNull();
		expect(replica.lastRequests()).toEqual([]);
	});

	test("kinds whose status is at a URL of the provider's are not asked without it", async () => {
		for (const kind of ["huggingface", "modal", "cog"] as const) {
			const replica = await atRest(kind);
			const asked = entry(replica, kind, { status_url: undefined });
			expect(canReadWarmth(asked)).toBe(false);
			expect(await readWarmth(asked, ENV)).toBeNull();
			expect(replica.lastRequests()).toEqual([]);
		}
	});
});

describe("the state that is read", () => {
	test.each(["runpod_queue", "huggingface", "modal", "cog"] as const)("%s: cold, waking, warm", async (kind) => {
		const replica = await atRest(kind);
		const asked = entry(replica, kind);
		const state = async () => (await readWarmth(asked, ENV))?.state;
		// Of a container that is not there Cog can tell nothing.
		expect(await state()).toBe(kind === "cog" ? undefined : "cold");
		replica.behave({ coldStartSeconds: 1e6 });
		const answer = chat(replica, { max_tokens: 1 });
		await until(() => replica.state().warmth === "starting");
		// One runner and a backlog: it may start or be busy.
		expect(await state()).toBe(kind === "modal" ? undefined : "waking");
		replica.behave({ cold: false });
		await answer;
		expect(await state()).toBe("warm");
	});

	test.each(["vllm_sleep", "llama_cpp"] as const)("%s: asleep, warm", async (kind) => {
		const replica = await atRest(kind);
		const asked = entry(replica, kind);
		const level = kind === "vllm_sleep" && { level: 1 };
		expect(await readWarmth(asked, ENV)).toMatchObject({ state: "asleep", ...level });
		replica.behave({ cold: false, idleSeconds: null });
		expect(await readWarmth(asked, ENV)).toMatchObject({ state: "warm" });
	});

	test("the credential is the provider's own where it is named, else the pool's", async () => {
		const replica = await atRest("runpod_queue", { apiKey: "provider" });
		expect(await readWarmth(entry(replica, "runpod_queue", {}, { secret: "POOL_KEY" }), ENV)).toBeNull();
		const named = entry(replica, "runpod_queue", { secret: "PROVIDER_KEY" }, { secret: "POOL_KEY" });
		expect(await readWarmth(named, ENV)).toMatchObject({ state: "cold" });
	});

	test("garbage, errors and silence tell nothing", async () => {
		const replica = await atRest("vllm_sleep");
		const asked = entry(replica, "vllm_sleep");
		const path = "/is_sleeping";
		replica.behave({ faults: [{ kind: "status", status: 200, body: "<html>", path }] });
		expect(await readWarmth(asked, ENV)).toBeNull();
		replica.behave({ faults: [{ kind: "status", status: 500, path }] });
		expect(await readWarmth(asked, ENV)).toBeNull();
		replica.behave({ faults: [], refuse: true });
		expect(await readWarmth(asked, ENV)).toBeNull();
	});

	test("an endpoint that hangs is given up after five seconds", { timeout: 10_000 }, async () => {
		const replica = await atRest("vllm_sleep");
		replica.behave({ faults: [{ kind: "hang", at: "headers", path: "/is_sleeping" }] });
		const began = performance.now();
		expect(await readWarmth(entry(replica, "vllm_sleep"), ENV)).toBeNull();
		expect(performance.now() - began).toBeLessThan(6_000);
	});
});

describe("waking", () => {
	test.each(SCALE_TO_ZERO_NAMES)("%s: one start, until it is warm", async (kind) => {
		const replica = await atRest(kind);
		replica.behave({ idleSeconds: null });
		const woken = await wake(entry(replica, kind), ENV, 5);
		const isTold = kind === "huggingface" || kind === "runpod_load_balancer";
		expect(woken).toMatchObject({ ok: true, value: { state: isTold ? "waking" : "warm", source: `${kind}_wake` } });
		await until(() => replica.state().warmth === "warm");
		expect(replica.state().starts).toBe(kind === "vllm_sleep" ? 0 : 1);
		expect(await wake(entry(replica, kind), ENV, 5)).toMatchObject({ ok: true, value: { state: "warm" } });
		expect(replica.state().starts).toBe(kind === "vllm_sleep" ? 0 : 1);
	});

	test("a sleeper of level 2 has its weights again, and its failure to read them is a failure", async () => {
		const replica = await startReplica({ provider: "vllm_sleep", speed: 1_000 });
		const asked = entry(replica, "vllm_sleep", { sleep_level: 2 });
		await fetch(`${replica.url}/sleep?level=2`, { method: "POST" });
		replica.behave({ faults: [{ kind: "status", status: 500, path: "/collective_rpc" }] });
		expect(await wake(asked, ENV, 5)).toMatchObject({ ok: false, error: { code: "status" } });
		expect(replica.state()).toMatchObject({ warmth: "waking", weights: "discarded" });
		replica.behave({ faults: [] });
		expect(await wake(asked, ENV, 5)).toMatchObject({ ok: true, value: { state: "warm" } });
		expect(replica.state()).toMatchObject({ warmth: "warm", weights: "loaded" });
	});

	test("a request that the provider still holds is a start; an engine that does not answer has failed", async () => {
		const held = await atRest("knative", { behaviour: { coldStartSeconds: 10_000 } });
		expect(await wake(entry(held, "knative"), ENV, 0.1)).toMatchObject({ ok: true, value: { state: "waking" } });
		expect(held.state()).toMatchObject({ warmth: "starting", starts: 1 });
		const silent = await atRest("vllm_sleep");
		silent.behave({ faults: [{ kind: "hang", at: "headers", path: "/wake_up" }] });
		expect(await wake(entry(silent, "vllm_sleep"), ENV, 0.1)).toMatchObject({ ok: false, error: { code: "timeout" } });
	});

	test("what cannot be woken says why", async () => {
		const replica = await atRest("plain", { apiKey: "other" });
		expect(await wake(entry(replica, "plain"), ENV, 5)).toMatchObject({ ok: false, error: { code: "status" } });
		replica.behave({ refuse: true });
		expect(await wake(entry(replica, "plain"), ENV, 5)).toMatchObject({ ok: false, error: { code: "connect" } });
		const always = entry(replica, "plain", {}, { scale_to_zero: undefined });
		expect(await wake(always, ENV, 5)).toMatchObject({ ok: false, error: { code: "not_scaled_to_zero" } });
	});

	test("a wake call of the provider's own is made with its secret, in place of a request", async () => {
		const replica = await atRest("vllm_sleep");
		const wakeUrl = `${replica.url}/wake_up`;
		const asked = entry(replica, "vllm_sleep", { wake_url: wakeUrl, secret: "PROVIDER_KEY" }, { secret: "POOL_KEY" });
		expect(await wake(asked, ENV, 5)).toMatchObject({ ok: true, value: { state: "waking" } });
		expect(replica.lastRequests().at(-1)).toMatchObject({
			method: "POST",
			path: "/wake_up",
			headers: { authorization: "Bearer provider" },
		});
		replica.behave({ faults: [{ kind: "status", status: 404, path: "/wake_up" }] });
		expect(await wake(asked, ENV, 5)).toMatchObject({ ok: false, error: { code: "status" } });
	});
});

describe("what is done of its own accord", () => {
	const kept = SCALE_TO_ZERO_NAMES.filter((kind) => kind !== "vllm_sleep");
	test.concurrent.each(kept)("%s: a call keeps it warm", async (kind) => {
		const replica = await startReplica({ provider: kind, speed: 1_000, behaviour: { idleSeconds: 1_000 } });
		const asked = entry(replica, kind);
		const { starts } = replica.state();
		for (let n = 0; n < 4; n++) {
			await new Promise((resolve) => setTimeout(resolve, 400));
			const kept = await keep(asked, ENV, 10);
			expect(kept).toMatchObject({ ok: true, value: { state: "warm", source: `${kind}_keep` } });
		}
		expect(replica.state()).toMatchObject({ warmth: "warm", starts });
	});

	test("a sleeper is put to sleep at its level, an endpoint of Hugging Face's scaled to zero; others are not", async () => {
		for (const kind of ["vllm_sleep", "huggingface"] as const) {
			const replica = await startReplica({ provider: kind, speed: 1_000 });
			const zero = kind === "huggingface" ? { settings_url: new URL(STATUS_PATHS[kind]!, replica.url).href } : {};
			expect(await letGo(entry(replica, kind, zero), ENV)).toEqual({ ok: true, value: null });
			expect(replica.state().warmth).toBe(kind === "vllm_sleep" ? "asleep" : "cold");
		}
		const replica = await startReplica({ provider: "modal", speed: 1_000 });
		expect((await letGo(entry(replica, "modal"), ENV)).ok).toBe(false);
		expect(replica.state().warmth).toBe("warm");
	});

	test.each([
		["runpod_queue", 40.2, 41],
		["runpod_load_balancer", 90_000, 3_600],
		["huggingface", 1_000, 1_020],
		["huggingface", 20, 900],
	] as const)("%s: takes %d s as %d s", async (kind, seconds, taken) => {
		const replica = await startReplica({ provider: kind, speed: 1_000 });
		const path = kind === "huggingface" ? STATUS_PATHS[kind]! : "/v1/endpoints/r";
		const asked = entry(replica, kind, { settings_url: new URL(path, replica.url).href });
		expect(await setIdleTimeout(asked, seconds, ENV)).toEqual({ ok: true, value: null });
		expect(replica.state().behaviour.idleSeconds).toBe(taken);
		expect((await setIdleTimeout(entry(replica, kind), seconds, ENV)).ok).toBe(false);
	});

	test("a provider that refuses, or is not there, is said to", async () => {
		const replica = await startReplica({ provider: "runpod_queue", speed: 1_000 });
		const to = (settings_url: string) => setIdleTimeout(entry(replica, "runpod_queue", { settings_url }), 10, ENV);
		expect(await to(`${replica.url.replace(/\/v2.*/, "")}/v1/endpoints/other`)).toMatchObject({ ok: false });
		expect(await to("http://127.0.0.1:9/v1/endpoints/r")).toMatchObject({ ok: false });
	});
});
