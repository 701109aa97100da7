import { describe, expect, it } from "vitest";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import {
	chatAnswer,
	chunk,
	Gate,
	plain,
	startScriptedPool,
	status,
	stream,
	usage,
	usageEvent,
} from "./helpers/scripted-pool.ts";
import { errorOf, startTestGateway, type Answered } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

/** Nano-dollars for a second of a GPU. */
const GPU_SECOND = 1_000_000;
const PRICES: Record<string, CatalogInput["pools"][number]["price"]> = {
	// Awkward on purpose: 0.0000012 and so on for a token.
	token: { per: "million_tokens", input: 1.2345, output: 6.789, cached_input: 0.123 },
	plain: { per: "million_tokens", input: 1, output: 2 },
	second: { per: "gpu_second", usd: GPU_SECOND / 1e9 },
	shared: { per: "gpu_second", usd: GPU_SECOND / 1e9 },
	hour: { per: "gpu_hour", usd: (3_600 * GPU_SECOND) / 1e9 },
};

const pool = await startScriptedPool();
const gateway = await startTestGateway({
	replicas: [{ name: "cached/a", model: "cached", speed: 50 }],
	catalog: (urls) =>
		catalogOf([
			...Object.entries(PRICES).map(([id, price]) => poolOf(id, id, [pool.url(id)], { price, gpu: { type: "H100" } })),
			poolOf("cached", "cached", urlsOf(urls, "cached"), {
				price: { per: "million_tokens", input: 10, output: 20, cached_input: 1 },
			}),
		]),
});

async function answered(model: string, extra: object = {}): Promise<Answered> {
	const response = await gateway.chat(model, { max_tokens: 100, ...extra });
	await response.text();
	return gateway.record(response);
}

describe("a price per million tokens", () => {
	it("is charged for what the pool reports, cached prompt tokens at their own price, each kind rounded up", async () => {
		pool.on("token", plain(chatAnswer(usage(1_001, 57, 401))));
		const record = await answered("token", { max_tokens: 20_000 });
		expect(record).toMatchObject({
			usage_source: "reported",
			prompt_tokens: 1_001,
			cached_tokens: 401,
			completion_tokens: 57,
		});
		// 600 at 1,234.5 nano-dollars, 401 at 123, 57 at 6,789.
		expect(record.cost_nano_usd).toBe(740_700 + 49_323 + 386_973);
		expect(record.actual_nano_usd).toBe(record.cost_nano_usd);
	});

	it("is charged at the price of the input where a pool does not say what was cached", async () => {
		pool.on("token", plain(chatAnswer(usage(1_001, 57))));
		const record = await answered("token", { max_tokens: 20_000 });
		expect(record.cached_tokens).toBeNull();
		expect(record.cost_nano_usd).toBe(Math.ceil(1_001 * 1_234.5) + 386_973);
	});

	it("makes the second of two equal long prompts cheaper", async () => {
		const messages = [{ role: "user", content: "the same beginning again and again ".repeat(200) }];
		const [first, second] = [await answered("cached", { messages }), await answered("cached", { messages })];
		// vLLM says nothing where nothing was cached.
		expect(first.cached_tokens).toBeNull();
		expect(second.cached_tokens).toBeGreaterThan(1_000);
		expect(second.cost_nano_usd).toBe(
			(second.prompt_tokens - second.cached_tokens!) * 10_000 +
				second.cached_tokens! * 1_000 +
				second.completion_tokens * 20_000,
		);
		expect(second.cost_nano_usd).toBeLessThan(first.cost_nano_usd);
	});

	it("is never more than was reserved; the excess is the operator's", async () => {
		pool.on("plain", plain(chatAnswer(usage(100, 1_000_000))));
		const record = await answered("plain", { max_tokens: 10 });
		expect(record.actual_nano_usd).toBe(100 * 1_000 + 1_000_000 * 2_000);
		expect(record.cost_nano_usd).toBe(record.reserved_nano_usd);
		expect(record.reserved_nano_usd).toBeLessThan(1_000_000);
	});
});

describe("a batch", () => {
	const long = "a text of some length ".repeat(1_000);

	it("of completions is reserved and charged for all of its prompts, however they are written", async () => {
		pool.on("plain", plain(chatAnswer(usage(30, 2_000 * 100))));
		const prompts = Array.from({ length: 2_000 }, () => `"a"`).join();
		const body = `{"model":"plain","max_tokens":100,"prompt":[${" ".repeat(100)}${prompts}]}`;
		const response = await gateway.post("/completions", body);
		await response.text();
		const record = await gateway.record(response);
		expect(record.actual_nano_usd).toBe(30 * 1_000 + 200_000 * 2_000);
		expect(record.cost_nano_usd).toBe(record.actual_nano_usd);
	});

	it("of embeddings need not fit into one context together, but each text must", async () => {
		const input = Array.from({ length: 40 }, () => long);
		pool.on(
			"plain",
			plain(JSON.stringify({ object: "list", data: [], usage: { prompt_tokens: 220_000, total_tokens: 220_000 } })),
		);
		const response = await gateway.post("/embeddings", { model: "plain", input });
		expect(response.status, await response.text()).toBe(200);
		const record = await gateway.record(response);
		expect(record.cost_nano_usd).toBe(220_000 * 1_000);
		const one = await gateway.post("/embeddings", { model: "plain", input: ["short", input.join()] });
		expect(one.status).toBe(400);
		expect(await errorOf(one)).toMatchObject({ code: "context_too_long", param: "input" });
	});
});

describe("where the pool does not say what was used", () => {
	it("a stream is charged for the events that were counted", async () => {
		pool.on("plain", stream([chunk(""), chunk("a"), chunk("b"), chunk("c"), chunk("", "stop"), "data: [DONE]\n\n"]));
		const record = await answered("plain", { stream: true });
		expect(record).toMatchObject({ usage_source: "counted", completion_tokens: 3, cached_tokens: null, outcome: "ok" });
		expect(record.prompt_tokens).toBeGreaterThan(0);
		expect(record.cost_nano_usd).toBe(record.prompt_tokens * 1_000 + 3 * 2_000);
	});

	it("a plain answer is charged for the most that it can have been", async () => {
		pool.on("plain", plain(chatAnswer(null)));
		const record = await answered("plain", { max_tokens: 40, n: 2 });
		expect(record).toMatchObject({ usage_source: "worst_case", completion_tokens: 80, outcome: "ok" });
		expect(record.cost_nano_usd).toBe(record.prompt_tokens * 1_000 + 80 * 2_000);
	});

	it("numbers that cannot be are none", async () => {
		pool.on("plain", plain(chatAnswer({ prompt_tokens: -1, completion_tokens: 1.5, total_tokens: "many" })));
		expect(await answered("plain", { max_tokens: 40 })).toMatchObject({
			usage_source: "worst_case",
			completion_tokens: 40,
		});
	});
});

describe("a stream that was cut off", () => {
	it("by the pool is charged for what was counted", async () => {
		pool.on("plain", stream([chunk("a"), chunk("b")]));
		const record = await answered("plain", { stream: true });
		expect(record).toMatchObject({ outcome: "cut", usage_source: "counted", completion_tokens: 2 });
		expect(record.cost_nano_usd).toBe(record.prompt_tokens * 1_000 + 2 * 2_000);
	});

	it("by the pool after it reported its usage is charged for that", async () => {
		pool.on("plain", stream([chunk("a"), chunk("b"), usageEvent(usage(7, 2))]));
		const record = await answered("plain", { stream: true });
		expect(record).toMatchObject({ outcome: "cut", usage_source: "reported", prompt_tokens: 7 });
		expect(record.cost_nano_usd).toBe(7 * 1_000 + 2 * 2_000);
	});

	it("by the client is charged for what was counted", async () => {
		pool.on("plain", (response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(chunk("a") + chunk("b") + chunk("c"));
			// A client that closed its side of the connection in good order is noticed when something is sent to it.
			const timer = setInterval(() => response.write(": ping\n\n"), 20);
			response.once("close", () => clearInterval(timer));
		});
		const response = await gateway.chat("plain", { stream: true, max_tokens: 100 });
		const reader = response.body!.getReader();
		for (let text = ""; text.split("\n\n").length < 4;) text += Buffer.from((await reader.read()).value!).toString();
		await reader.cancel();
		const record = await gateway.record(response);
		expect(record).toMatchObject({ outcome: "client_gone", usage_source: "counted", completion_tokens: 3 });
		expect(record.cost_nano_usd).toBe(record.prompt_tokens * 1_000 + 3 * 2_000);
	});
});

describe("what no pool answered", () => {
	it.each([
		["fails", 500, "failed"],
		["is refused", 400, "refused"],
	])("costs nothing: %s", async (_, code, outcome) => {
		pool.on("hour", status(code));
		expect(await answered("hour")).toMatchObject({ outcome, cost_nano_usd: 0, prompt_tokens: 0, completion_tokens: 0 });
	});
});

describe("a price for GPU time", () => {
	/** What has been held open for a while, and how long that took seen from outside. */
	async function held(model: string, requests: number): Promise<{ records: Answered[]; seconds: number }> {
		const gate = new Gate();
		pool.on(model, gate.answer);
		const start = performance.now();
		const asked = Array.from({ length: requests }, () => gateway.chat(model, { max_tokens: 1_000 }));
		await until("all have come", () => gate.arrived.length === requests);
		await new Promise((resolve) => setTimeout(resolve, 300));
		gate.open();
		const records = await Promise.all((await Promise.all(asked)).map((response) => gateway.record(response)));
		return { records, seconds: (performance.now() - start) / 1_000 };
	}

	it.each(["second", "hour"])("charges one that was alone for all of its time: per GPU %s", async (model) => {
		const { records, seconds } = await held(model, 1);
		const [record] = records;
		expect(record!.usage_source).toBe("reported");
		const least = record!.attempts[0]!.seconds * GPU_SECOND;
		// Clocks of two processes, read to the millisecond.
		expect(record!.actual_nano_usd).toBeGreaterThanOrEqual(least - 0.005 * GPU_SECOND);
		expect(record!.actual_nano_usd).toBeLessThanOrEqual(seconds * GPU_SECOND);
		expect(record!.cost_nano_usd).toBe(Math.min(record!.actual_nano_usd, record!.reserved_nano_usd));
	});

	it("divides the time among those that shared it: together they pay for it once", async () => {
		const { records, seconds } = await held("shared", 4);
		const paid = records.map((record) => record.actual_nano_usd);
		const total = paid.reduce((sum, nano) => sum + nano, 0);
		expect(total).toBeGreaterThanOrEqual(0.29 * GPU_SECOND);
		expect(total).toBeLessThanOrEqual(seconds * GPU_SECOND);
		for (const nano of paid) expect(nano).toBeGreaterThan(0);
		const status = (await gateway.fleet("shared")).replicas[0]!;
		expect(status.busy_usd! * 1e9).toBeCloseTo(total, -4);
	});

	it("expects a reserved GPU to cost nothing more, and one that is paid while busy its share", async () => {
		for (const model of ["second", "hour"]) pool.on(model, plain(chatAnswer(usage(10, 5))));
		const [second, hour] = [await answered("second"), await answered("hour")];
		expect(hour.expected_usd).toBe(0);
		expect(second.expected_usd).toBeGreaterThan(0);
	});
});

describe("a budget", () => {
	it("is left with what remains after the bill", async () => {
		pool.on("token", plain(chatAnswer(usage(1_000, 100, 0))));
		const key = await gateway.createKey({ tenant: "payer", budget: { total_usd: 1 } });
		const response = await gateway.chat("token", { max_tokens: 200 }, { key });
		const { cost_nano_usd } = await gateway.record(response, key);
		interface Budget {
			readonly budget: { readonly spent: { readonly total: number }; readonly outstanding: { readonly nano: number } };
		}
		const { budget } = await until("the rest of the lease is back", async () => {
			const usage = (await (await gateway.get("/usage", key)).json()) as Budget;
			return usage.budget.outstanding.nano === 0 && usage;
		});
		expect(cost_nano_usd).toBeGreaterThan(0);
		expect(budget.spent.total).toBe(cost_nano_usd);
	});
});
