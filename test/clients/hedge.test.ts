import { describe, expect, it } from "vitest";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import {
	chatAnswer,
	chunk,
	event,
	plain,
	startScriptedPool,
	status,
	stream,
	usage,
	type Answer,
} from "./helpers/scripted-pool.ts";
import { errorOf, startTestGateway, type TestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

type Pool = CatalogInput["pools"][number];

/** So that a hedge is soon worth its cent. */
const IMPATIENT = { hedge: true, value_of_second_usd: 1, ttft_goal_seconds: 0.1 };
const RATES = { prefill_tokens_per_second: 100_000, seconds_per_output_token: 0.001 };
const CHEAP = 1;
const DEAR = 100;

const at = (provider: string): Partial<Pool> => ({
	engine: "vllm",
	rates: RATES,
	place: { provider, region: provider, round_trip_ms: 1 },
});
/** A model with a cheap pool and a dear one, at providers of their own. */
const pair = (model: string, url: (name: string) => string[], other = "other"): Pool[] => [
	poolOf(`${model}-cheap`, model, url(`${model}-cheap`), {
		...at("one"),
		price: { per: "million_tokens", input: CHEAP, output: CHEAP },
	}),
	poolOf(`${model}-dear`, model, url(`${model}-dear`), {
		...at(other),
		price: { per: "million_tokens", input: DEAR, output: DEAR },
	}),
];

const pool = await startScriptedPool();
const scripted = (name: string) => [pool.url(name)];
const gateway = await startTestGateway({
	key: { policy: IMPATIENT },
	settings: { hedgeShareMax: 1 },
	replicas: [
		...["sim-cheap/a", "sim-dear/a"].map((name) => ({ name, model: "sim", speed: 0 })),
		// A thousandth of an engine's times.
		...["zero/a", "beside/a", "warm/a"].map((name) => ({ name, model: "cold", speed: 1_000 })),
	],
	catalog: (urls) =>
		catalogOf([
			...["won", "lost", "both", "spent", "failing", "unasked"].flatMap((model) => pair(model, scripted)),
			...pair("same", scripted, "one"),
			...pair("sim", (name) => urlsOf(urls, name)),
			...["zero", "beside"].map((id, i) =>
				poolOf(id, "cold", urlsOf(urls, id), {
					...at("serverless"),
					price: { per: "gpu_second", usd: 0.0001 * (1 + i) },
					scale_to_zero: { kind: "plain", idle_seconds: 600, cold_seconds: 20 },
				}),
			),
			poolOf("warm", "cold", urlsOf(urls, "warm"), {
				...at("api"),
				price: { per: "million_tokens", input: 100, output: 100 },
			}),
			poolOf("gpu", "timed", scripted("gpu"), { ...at("one"), price: { per: "gpu_second", usd: 0.001 } }),
			poolOf("api", "timed", scripted("api"), {
				...at("api"),
				price: { per: "million_tokens", input: 9_000, output: 9_000 },
			}),
		]),
});

const EVENTS = [chunk("a"), chunk("b", "stop"), event("[DONE]")];
const after =
	(seconds: number, answer: Answer): Answer =>
	async (response, request) => {
		await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
		if (!response.destroyed) await answer(response, request);
	};
const never: Answer = () => {};
const ANSWER = plain(chatAnswer(usage(100, 5)));

async function usageOf(of: TestGateway, poolId: string, key?: string) {
	const answer = await of.get(`/usage?pool=${poolId}`, key);
	const { data } = (await answer.json()) as {
		data: { requests: number; cost_usd: number; hedge_usd: number; prompt_tokens: number }[];
	};
	return data;
}
const idle = (of: TestGateway, model: string) =>
	until("nothing is in flight", async () => (await of.fleet(model)).in_flight === 0);

describe("a request whose answer is late", () => {
	it("is sent to another provider too, and has the answer of whoever is first; the other is called off and paid for", async () => {
		pool.on("won-cheap", never);
		pool.on("won-dear", stream(EVENTS));
		const answer = await gateway.chat("won", { stream: true, max_tokens: 5 });
		expect(answer.headers.get("x-isobar-replica")).toBe("won-dear/a");
		expect(await answer.text()).toBe(EVENTS.join(""));
		await until("the first is called off", () => pool.requests("won-cheap")[0]?.aborted === true);
		const record = await gateway.record(answer);
		expect(record).toMatchObject({
			outcome: "ok",
			replica: "won-dear/a",
			attempts: [
				{ replica: "won-cheap/a", status: null, failure: "called off: another answered first" },
				{ replica: "won-dear/a", status: 200, failure: null, hedge: true },
			],
			hedge: { outcome: "won", refused: null, replica: "won-dear/a" },
		});
		const { time, late, slower, cost } = record.hedge!.terms!;
		expect(time + late - slower).toBeGreaterThan(cost);
		expect(record.hedge!.after_seconds).toBeGreaterThan(0.04);
		// The first's prompt, at its price; the second's by what it counted.
		expect(record.hedge_nano_usd).toBeGreaterThan(0);
		expect(record.hedge_nano_usd).toBeLessThan(record.cost_nano_usd / 10);
		expect(record.cost_nano_usd).toBeLessThanOrEqual(record.reserved_nano_usd);
		expect(await usageOf(gateway, "won-cheap")).toMatchObject([
			{ requests: 0, prompt_tokens: 0, cost_usd: record.hedge_nano_usd / 1e9, hedge_usd: record.hedge_nano_usd / 1e9 },
		]);
		expect(await usageOf(gateway, "won-dear")).toMatchObject([
			{ requests: 1, cost_usd: (record.cost_nano_usd - record.hedge_nano_usd) / 1e9, hedge_usd: 0 },
		]);
		await idle(gateway, "won");
		const [decision] = record.decision!;
		expect(decision).toMatchObject({ replica: "won-dear/a" });
		expect(record.decision).toContainEqual(
			expect.objectContaining({ replica: "won-cheap/a", rejected: "same_provider" }),
		);
	});

	it("keeps its first answer when that comes before the hedge's", async () => {
		pool.on("lost-cheap", after(2, ANSWER));
		pool.on("lost-dear", never);
		const answer = await gateway.chat("lost", { max_tokens: 5 });
		expect(answer.headers.get("x-isobar-replica")).toBe("lost-cheap/a");
		await answer.text();
		const record = await gateway.record(answer);
		expect(record).toMatchObject({ outcome: "ok", hedge: { outcome: "lost", replica: "lost-dear/a" } });
		expect(record.attempts.map(({ hedge }) => hedge ?? false)).toEqual([false, true]);
		expect(record.cost_nano_usd - record.hedge_nano_usd).toBe(105 * CHEAP * 1_000);
		expect(await usageOf(gateway, "lost-dear")).toMatchObject([
			{ requests: 0, hedge_usd: record.hedge_nano_usd / 1e9 },
		]);
		expect(pool.requests("lost-dear")[0]!.aborted).toBe(true);
		await idle(gateway, "lost");
	});

	it("whose hedge fails waits on; where both fail it goes on as after any failure", async () => {
		pool.on("failing-cheap", after(2, ANSWER));
		pool.on("failing-dear", status(500));
		const kept = await gateway.chat("failing", { max_tokens: 5 });
		expect(kept.status).toBe(200);
		await kept.text();
		expect(await gateway.record(kept)).toMatchObject({
			replica: "failing-cheap/a",
			hedge: { outcome: "failed" },
			hedge_nano_usd: 0,
			attempts: [{ status: 200 }, { status: 500, hedge: true }],
		});
		pool.on("both-cheap", after(2, status(502)));
		pool.on("both-dear", after(3, status(500)));
		const answer = await gateway.chat("both", { max_tokens: 5 });
		expect(answer.status).toBe(502);
		await answer.text();
		expect(await gateway.record(answer)).toMatchObject({
			outcome: "failed",
			cost_nano_usd: 0,
			hedge: { outcome: "failed" },
			attempts: [{ status: 502 }, { status: 500, hedge: true }],
		});
		await idle(gateway, "both");
	});

	it("that meets a start which nobody expected is not sent to another pool of that provider", async () => {
		const zero = gateway.simulator.replica("zero/a");
		const warm = await gateway.chat("cold", { max_tokens: 5, isobar: { regions: ["serverless"], hedge: false } });
		const met = warm.headers.get("x-isobar-replica")!;
		await warm.text();
		for (const name of ["zero/a", "beside/a"])
			gateway.simulator.replica(name).behave({ cold: true, coldStartSeconds: 20_000 });
		const before = ["zero/a", "beside/a"].map((name) => gateway.simulator.replica(name).state().requests);
		const answer = await gateway.chat("cold", { max_tokens: 5, stream: true });
		expect(answer.headers.get("x-isobar-replica")).toBe("warm/a");
		await answer.text();
		const record = await gateway.record(answer);
		expect(record).toMatchObject({ hedge: { outcome: "won", replica: "warm/a" } });
		expect(record.attempts.map(({ replica }) => replica)).toEqual([met, "warm/a"]);
		// The call that meets the start is the only one at its provider.
		const calls = ["zero/a", "beside/a"].map(
			(name, i) => gateway.simulator.replica(name).state().requests - before[i]!,
		);
		expect(calls.toSorted((a, b) => a - b)).toEqual([0, 1]);
		await idle(gateway, "cold");
		expect(zero.state().inFlight).toBe(0);
	});

	it("pays a pool that is priced by time for the seconds until it was called off", async () => {
		pool.on("gpu", never);
		pool.on("api", after(1, ANSWER));
		const answer = await gateway.chat("timed", { max_tokens: 5 });
		await answer.text();
		const record = await gateway.record(answer);
		expect(record).toMatchObject({ replica: "api/a", hedge: { outcome: "won" } });
		const seconds = record.hedge_nano_usd / 1e6;
		expect(seconds).toBeGreaterThan(record.hedge!.after_seconds + 0.9);
		expect(seconds).toBeLessThan(record.seconds + 0.2);
	});

	it("is sent nowhere else unasked, nor to the same provider, nor where its key's budget does not reach", async () => {
		for (const name of ["unasked-cheap", "same-cheap", "spent-cheap"]) pool.on(name, after(2, ANSWER));
		for (const name of ["unasked-dear", "same-dear", "spent-dear"]) pool.on(name, ANSWER);
		const plainKey = await gateway.createKey({ policy: { ...IMPATIENT, hedge: false } });
		// One request may cost five hundredths of a cent at the dear pool: two of them are over it.
		const poor = await gateway.createKey({
			tenant: "poor",
			policy: { ...IMPATIENT },
			budget: { total_usd: 0.04 },
		});
		const [unasked, refused, same, spent] = await Promise.all([
			gateway.chat("unasked", { max_tokens: 5 }, { key: plainKey }),
			gateway.chat("unasked", { max_tokens: 5, isobar: { hedge: false } }),
			gateway.chat("same", { max_tokens: 5 }),
			gateway.chat("spent", { max_tokens: 200 }, { key: poor }),
		]);
		for (const answer of [unasked, refused, same, spent]) {
			expect(answer.status).toBe(200);
			await answer.text();
		}
		for (const answer of [unasked, refused, same]) {
			const record = await gateway.record(answer);
			expect(record).toMatchObject({ hedge: null, hedge_nano_usd: 0 });
			expect(record.attempts).toHaveLength(1);
		}
		const record = await gateway.record(spent, poor);
		expect(record).toMatchObject({
			replica: "spent-cheap/a",
			hedge: { outcome: "refused", refused: "budget_exhausted" },
		});
		expect(pool.requests("spent-dear")).toHaveLength(0);
		await idle(gateway, "spent");
		await idle(gateway, "unasked");
	});

	it("that is hedged still ends for a client that leaves, at both", async () => {
		gateway.simulator.replica("sim-cheap/a").behave({ faults: [{ kind: "hang", at: "headers" }] });
		gateway.simulator.replica("sim-dear/a").behave({ faults: [{ kind: "hang", at: "headers" }] });
		const leaver = new AbortController();
		const body = { model: "sim", messages: [{ role: "user", content: "x" }], max_tokens: 5, stream: true };
		const answer = gateway.post("/chat/completions", body, { signal: leaver.signal });
		await until("both are asked", () => gateway.simulator.replica("sim-dear/a").state().requests === 1);
		leaver.abort();
		await answer.catch(() => {});
		await until("both are ended", () =>
			["sim-cheap/a", "sim-dear/a"].every((name) => gateway.simulator.replica(name).state().aborted === 1),
		);
		await idle(gateway, "sim");
		expect(await errorOf(await gateway.chat("nothing"))).toMatchObject({ code: "model_not_found" });
	});
});
