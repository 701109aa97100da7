import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { chunk, event, startScriptedPool, stream } from "./helpers/scripted-pool.ts";
import { MARK, startTestGateway, type ErrorBody } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const SIMULATED = ["cut", "half", "idle", "sdk", "leaver", "reset", "plain-reset"];
const SCRIPTED = ["total", "own-error", "unfinished", "finished", "endless", "long", "slow-reader"];

const pool = await startScriptedPool();
const gateway = await startTestGateway({
	settings: { headersTimeoutSeconds: 3, firstEventTimeoutSeconds: 3, idleTimeoutSeconds: 2, totalTimeoutSeconds: 8 },
	// Real time: 12.5 ms a token.
	replicas: SIMULATED.map((model) => ({ name: `${model}/a`, model, speed: 1 })),
	catalog: (urls) =>
		catalogOf([
			...SIMULATED.map((model) => poolOf(model, model, urlsOf(urls, model))),
			...SCRIPTED.map((model) => poolOf(model, model, [pool.url(model), pool.url(`${model}-2`)])),
		]),
});

interface Streamed {
	readonly response: Response;
	/** The data of all events but the last. */
	readonly events: readonly string[];
	/** The last event's. */
	readonly last: string;
	readonly text: string;
}

async function streamed(model: string, extra: object = {}): Promise<Streamed> {
	const response = await gateway.chat(model, { stream: true, max_tokens: 50, ignore_eos: true, ...extra });
	expect(response.status).toBe(200);
	const text = await response.text();
	expect(text.endsWith("\n\n")).toBe(true);
	const events = text.split("\n\n").slice(0, -1);
	for (const each of events) expect(each).toMatch(/^(data: |:)/);
	const data = events.filter((each) => each.startsWith("data: ")).map((each) => each.slice(6));
	return { response, events: data.slice(0, -1), last: data.at(-1)!, text };
}

/** The stream has ended as an error, is recorded so, and has not been tried again. */
async function expectCut({ response, events, last, text }: Streamed, code: string): Promise<void> {
	expect((JSON.parse(last) as ErrorBody).error).toMatchObject({
		code,
		type: "upstream_error",
		param: null,
		request_id: response.headers.get("x-isobar-request-id"),
	});
	expect(text).not.toContain("[DONE]");
	for (const each of events) expect(JSON.parse(each)).toHaveProperty("choices");
	const record = await gateway.record(response);
	expect(record).toMatchObject({ outcome: "cut", error: code, status: 200, usage_source: "counted" });
	expect(record.attempts).toHaveLength(1);
	expect(record.completion_tokens).toBe(events.filter((each) => !each.includes(`"content":""`)).length);
}

const fault = (model: string, rule: Parameters<ReturnType<typeof gateway.simulator.replica>["behave"]>[0]["faults"]) =>
	gateway.simulator.replica(`${model}/a`).behave({ faults: rule! });

describe.concurrent("a stream that the pool does not finish ends in an error event, never in [DONE]", () => {
	it("when it is cut between two events", async () => {
		fault("cut", [{ kind: "cut_stream", afterEvents: 4 }]);
		const answer = await streamed("cut");
		expect(answer.events).toHaveLength(4);
		await expectCut(answer, "upstream_cut");
		expect(answer.last).toMatch(/The pool's stream broke: [^"]*[^."]\."/);
	});

	it("when it is cut within an event, of which nothing is passed on", async () => {
		fault("half", [{ kind: "cut_stream", afterEvents: 4, midEvent: true }]);
		const answer = await streamed("half");
		expect(answer.events).toHaveLength(4);
		await expectCut(answer, "upstream_cut");
	});

	it("when nothing more comes", async () => {
		fault("idle", [{ kind: "hang", at: "events", afterEvents: 4 }]);
		const answer = await streamed("idle");
		expect(answer.events).toHaveLength(4);
		await expectCut(answer, "upstream_timeout");
		const replica = gateway.simulator.replica("idle/a");
		await until("the pool is rid of it", () => replica.state().inFlight === 0);
	});

	it("when it takes too long in all, though something comes all the time", async () => {
		pool.on("total", (response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			const timer = setInterval(() => response.write(chunk("a")), 50);
			response.once("close", () => clearInterval(timer));
		});
		const answer = await streamed("total");
		await expectCut(answer, "upstream_timeout");
		expect(answer.last).toContain("total");
		await until("the pool is told", () => pool.requests("total")[0]!.aborted);
	});

	it("when it ends, in good order, before the answer does", async () => {
		pool.on("unfinished", stream([chunk("a"), chunk("b")]));
		await expectCut(await streamed("unfinished"), "upstream_cut");
	});

	it("when an event has no end", async () => {
		pool.on("endless", async (response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(chunk("a") + 'data: {"choices":"');
			for (let i = 0; i < 5 && !response.destroyed; i++) response.write("x".repeat(1024 * 1024));
		});
		await expectCut(await streamed("endless"), "upstream_cut");
	});

	it("but not when only [DONE] is missing", async () => {
		pool.on("finished", stream([chunk("a"), chunk("b", "stop")]));
		const { text, response } = await streamed("finished");
		expect(text).toBe(chunk("a") + chunk("b", "stop"));
		expect(await gateway.record(response)).toMatchObject({ outcome: "ok" });
	});

	it("and the pool's own error event is passed on as it is, and recorded as a failure", async () => {
		const error = event({ error: { message: "out of memory", type: "x", param: null, code: 500 } });
		for (const end of ["", "data: [DONE]\n\n"]) {
			pool.on("own-error", stream([chunk("a"), error, end]));
			const response = await gateway.chat("own-error", { stream: true });
			expect(await response.text()).toBe(chunk("a") + error + end);
			const record = await gateway.record(response);
			expect(record).toMatchObject({ outcome: "cut", error: "upstream_failed", usage_source: "counted" });
		}
	});

	it("which the SDK throws", async () => {
		fault("sdk", [{ kind: "cut_stream", afterEvents: 3 }]);
		const client = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key });
		const messages = [{ role: "user" as const, content: MARK }];
		const answer = await client.chat.completions.create({ model: "sdk", messages, stream: true });
		let chunks = 0;
		const reading = (async () => {
			for await (const _ of answer) chunks++;
		})();
		await expect(reading).rejects.toMatchObject({ code: "upstream_cut", type: "upstream_error" });
		expect(chunks).toBe(3);
	});
});

describe.concurrent("a long answer", () => {
	const megabyte = "x".repeat(1024 * 1024);

	it("may be read slowly: only the pool's own pauses count", async () => {
		const chunks = [...Array.from({ length: 16 }, () => chunk(megabyte)), chunk("end", "stop"), "data: [DONE]\n\n"];
		pool.on("slow-reader", stream(chunks));
		const response = await gateway.chat("slow-reader", { stream: true });
		await new Promise((resolve) => setTimeout(resolve, 3_000));
		expect((await response.text()).length).toBe(chunks.join("").length);
		expect(await gateway.record(response)).toMatchObject({ outcome: "ok" });
	});

	it("that is too long to hold and is cut breaks the client's connection too", async () => {
		pool.on("long", async (response) => {
			response.writeHead(200, { "content-type": "application/json", "content-length": 12 * 1024 * 1024 });
			for (let i = 0; i < 10; i++) response.write(megabyte);
			response.socket!.destroySoon();
		});
		const response = await gateway.chat("long");
		expect(response.status).toBe(200);
		await expect(response.text()).rejects.toThrow();
		expect(await gateway.record(response)).toMatchObject({ outcome: "cut", error: "upstream_cut" });
	});
});

describe.concurrent("a client that hangs up", () => {
	const long = { stream: true, max_tokens: 10_000, ignore_eos: true };

	/** The pool has been told, and the scheduler's place is free again. */
	async function expectAborted(model: string): Promise<void> {
		const replica = gateway.simulator.replica(`${model}/a`);
		await until(`${model} is aborted`, () => replica.state().aborted === 1 && replica.state().inFlight === 0);
		await until(`the place at ${model} is free`, async () => (await gateway.fleet(model)).in_flight === 0);
	}

	it("in a stream aborts the pool's work, and pays for what was counted", async () => {
		const response = await gateway.chat("leaver", long);
		const reader = response.body!.getReader();
		for (let text = ""; text.split("\n\n").length < 6;) text += Buffer.from((await reader.read()).value!).toString();
		await reader.cancel();
		await expectAborted("leaver");
		const record = await gateway.record(response);
		expect(record).toMatchObject({ status: 200, outcome: "client_gone", error: null, usage_source: "counted" });
		expect(record.completion_tokens).toBeGreaterThanOrEqual(4);
		expect(record.completion_tokens).toBeLessThan(10_000);
		expect(record.cost_nano_usd).toBe(record.prompt_tokens * 1_000 + record.completion_tokens * 2_000);
	});

	it("by resetting the connection of a stream aborts the pool's work", async () => {
		const body = JSON.stringify({ model: "reset", messages: [{ role: "user", content: MARK }], ...long });
		const socket = await rawPost(`${gateway.baseURL}/chat/completions`, gateway.key, body);
		await new Promise((resolve) => socket.once("data", resolve));
		socket.resetAndDestroy();
		await expectAborted("reset");
	});

	it("while a plain answer is computed aborts the pool's work", async () => {
		const model = "plain-reset";
		const body = JSON.stringify({ model, messages: [{ role: "user", content: MARK }], ...long, stream: false });
		const socket = await rawPost(`${gateway.baseURL}/chat/completions`, gateway.key, body);
		await until("the pool has it", () => gateway.simulator.replica(`${model}/a`).state().inFlight === 1);
		socket.resetAndDestroy();
		await expectAborted(model);
		const [line] = await until("it is logged", () => gateway.logged(model).length > 0 && gateway.logged(model));
		expect(line!.outcome).toBe("client_gone");
		expect(await gateway.record(line!.id)).toMatchObject({
			outcome: "client_gone",
			status: 499,
			usage_source: "counted",
		});
	});
});
