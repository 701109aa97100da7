import OpenAI, { APIError } from "openai";
import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { chunk, event, Gate, plain, startScriptedPool, status, stream, type Answer } from "./helpers/scripted-pool.ts";
import { errorOf, MARK, startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const COMMENT = ": waiting\n\n";
/** Long against the first comment's time and the time between two. */
const LATE_MS = 700;
const COLD_SECONDS = 1;

const pool = await startScriptedPool();
const SCRIPTED = [
	"late",
	"quick",
	"lost",
	"refusing",
	"odd",
	"gated",
	"left",
	"silent",
	"plain",
	"without",
	"of-key",
	"shared",
];
const gateway = await startTestGateway({
	settings: { heartbeatAfterSeconds: 0.2, heartbeatSeconds: 0.1 },
	replicas: [
		{
			name: "zero/a",
			model: "zero",
			speed: 1_000,
			startCold: true,
			behaviour: { coldStartSeconds: COLD_SECONDS * 1_000 },
		},
	],
	catalog: (urls) =>
		catalogOf([
			...SCRIPTED.map((model) => poolOf(model, model, [pool.url(model)], { max_concurrency: 1 })),
			poolOf("hurried", "hurried", [pool.url("hurried")]),
			poolOf("failing", "spilled", [pool.url("failing")]),
			poolOf("other", "spilled", [pool.url("other")], { price: { per: "million_tokens", input: 100, output: 100 } }),
			poolOf("zero", "zero", urlsOf(urls, "zero"), {
				engine: "vllm",
				scale_to_zero: { kind: "plain", idle_seconds: 600, cold_seconds: COLD_SECONDS },
			}),
		]),
});
const client = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key, maxRetries: 0 });

const EVENTS = [chunk("a"), chunk("b", "stop"), event("[DONE]")];
const late =
	(answer: Answer): Answer =>
	async (response, request) => {
		await new Promise((resolve) => setTimeout(resolve, LATE_MS));
		await answer(response, request);
	};
const streamed = (model: string, extra: object = {}) => gateway.chat(model, { stream: true, max_tokens: 5, ...extra });
/** The comments that a text begins with, and what comes after them. */
function parts(text: string): { comments: number; rest: string } {
	const { length } = /^(?:: waiting\n\n)*/.exec(text)![0];
	return { comments: length / COMMENT.length, rest: text.slice(length) };
}

describe("a stream that is late", () => {
	it("begins with comments, and is then the pool's, byte for byte", async () => {
		pool.on("late", late(stream(EVENTS)));
		const started = performance.now();
		const answer = await streamed("late");
		expect(performance.now() - started).toBeLessThan(LATE_MS);
		expect(answer.status).toBe(200);
		const id = answer.headers.get("x-isobar-request-id");
		expect(Object.fromEntries(answer.headers)).toMatchObject({
			"content-type": "text/event-stream",
			"x-isobar-model": "late",
			"x-isobar-record": `/v1/requests/${id}`,
		});
		expect(answer.headers.get("x-isobar-replica")).toBeNull();
		const { comments, rest } = parts(await answer.text());
		expect(comments).toBeGreaterThanOrEqual(3);
		// One every 0.1 s at most, however long a busy machine took.
		expect(comments).toBeLessThanOrEqual(2 + (performance.now() - started) / 100);
		expect(rest).toBe(EVENTS.join(""));
		const record = await gateway.record(answer);
		expect(record).toMatchObject({ status: 200, outcome: "ok", replica: "late/a" });
		expect(record.ttft_seconds).toBeGreaterThan((0.9 * LATE_MS) / 1_000);
	});

	it("begins with comments too where it waits for the answer to an identical request", async () => {
		const gate = Promise.withResolvers<void>();
		pool.on("shared", async (response, request) => {
			await gate.promise;
			await stream(EVENTS)(response, request);
		});
		const cached = { temperature: 0, isobar: { route: { cache: true } } };
		const first = streamed("shared", cached);
		await until("it to be called", () => pool.requests("shared").length === 1);
		const second = await streamed("shared", cached);
		expect(second.headers.get("x-isobar-cache")).toBeNull();
		gate.resolve();
		const { comments, rest } = parts(await second.text());
		expect(comments).toBeGreaterThanOrEqual(1);
		expect(rest).toBe(EVENTS.join(""));
		expect(await gateway.record(second)).toMatchObject({ status: 200, cache: "joined" });
		expect(parts(await (await first).text()).rest).toBe(EVENTS.join(""));
		expect(pool.requests("shared")).toHaveLength(1);
	});

	it("waits for another's answer only while its own is still expected within its max_seconds", async () => {
		const gate = Promise.withResolvers<void>();
		pool.on("hurried", async (response, request) => {
			if (pool.requests("hurried").length === 1) await gate.promise;
			await stream(EVENTS)(response, request);
		});
		const cached = { temperature: 0, isobar: { route: { cache: true, max_seconds: 3 } } };
		const first = streamed("hurried", cached);
		await until("it to be called", () => pool.requests("hurried").length === 1);
		const second = await streamed("hurried", cached);
		expect(parts(await second.text()).rest).toBe(EVENTS.join(""));
		gate.resolve();
		expect(await gateway.record(second)).toMatchObject({ status: 200, replica: "hurried/a" });
		await (await first).text();
	});

	it("may still go to another pool while it has only comments", async () => {
		pool.on("failing", late(status(500)));
		pool.on("other", late(stream(EVENTS)));
		const answer = await streamed("spilled");
		const { comments, rest } = parts(await answer.text());
		expect(comments).toBeGreaterThanOrEqual(6);
		expect(rest).toBe(EVENTS.join(""));
		const { attempts, replica } = await gateway.record(answer);
		expect(replica).toBe("other/a");
		expect(attempts.map(({ status: code }) => code)).toEqual([500, 200]);
	});

	it("ends in an error event and not in [DONE] when it fails after all", async () => {
		pool.on("lost", late(status(500)));
		const answer = await streamed("lost");
		expect(answer.status).toBe(200);
		const { rest } = parts(await answer.text());
		expect(rest.endsWith("\n\n")).toBe(true);
		const id = answer.headers.get("x-isobar-request-id");
		const { error } = JSON.parse(rest.replace(/^data: /, ""));
		expect(error).toMatchObject({ code: "upstream_failed", type: "upstream_error", request_id: id });
		expect(await gateway.record(answer)).toMatchObject({
			status: 200,
			outcome: "failed",
			error: "upstream_failed",
			cost_nano_usd: 0,
		});

		const failing = client.chat.completions.create({
			model: "lost",
			messages: [{ role: "user", content: MARK }],
			stream: true,
		});
		const read = async (): Promise<void> => {
			for await (const _ of await failing);
		};
		const thrown: unknown = await read().catch((e: unknown) => e);
		expect(thrown).toBeInstanceOf(APIError);
		expect(thrown).toMatchObject({ code: "upstream_failed" });
	});

	it("passes on what the pool says of a wrong request, in OpenAI's shape whatever its own is", async () => {
		pool.on("refusing", late(status(400)));
		const refused = parts(await (await streamed("refusing")).text()).rest;
		expect(JSON.parse(refused.replace(/^data: /, "")).error.message).toBe("scripted 400");
		pool.on("odd", late(plain('{\n  "detail": "no such tool"\n}', {}, 422)));
		const odd = parts(await (await streamed("odd")).text()).rest;
		expect(odd.trimEnd().split("\n")).toHaveLength(1);
		expect(JSON.parse(odd.replace(/^data: /, "")).error).toMatchObject({
			code: "invalid_request",
			details: { upstream_status: 422 },
		});
	});

	it("is read by OpenAI's client as if nothing had been there, from a pool that holds it while it starts", async () => {
		const raw = await client.chat.completions
			.create({
				model: "zero",
				messages: [{ role: "user", content: MARK }],
				max_tokens: 20,
				stream: true,
				stream_options: { include_usage: true },
			})
			.withResponse();
		expect(raw.response.headers.get("x-isobar-record")).toBe(
			`/v1/requests/${raw.response.headers.get("x-isobar-request-id")}`,
		);
		let text = "";
		let tokens = 0;
		for await (const { choices, usage } of raw.data) {
			text += choices[0]?.delta.content ?? "";
			tokens = usage?.completion_tokens ?? tokens;
		}
		expect(text.length).toBeGreaterThan(0);
		expect(tokens).toBeGreaterThan(0);
		const record = await gateway.record(raw.response);
		expect(record).toMatchObject({ outcome: "ok", completion_tokens: tokens });
		expect(record.ttft_seconds).toBeGreaterThan(0.9 * COLD_SECONDS);
	});
});

describe("a stream in the waiting room", () => {
	it("gets comments there, and its place when there is one; a client that leaves frees its own", async () => {
		const gate = new Gate();
		pool.on("gated", gate.answer);
		const first = gateway.chat("gated", { max_tokens: 5 });
		await until("the place is taken", () => gate.arrived.length === 1);
		const leaver = new AbortController();
		const leaving = await gateway.post(
			"/chat/completions",
			{ model: "gated", messages: [{ role: "user", content: MARK }], max_tokens: 5, stream: true },
			{ signal: leaver.signal },
		);
		expect(leaving.headers.get("x-isobar-record")).not.toBeNull();
		const waiting = await streamed("gated", { user: "second" });
		expect(await gateway.fleet("gated")).toMatchObject({ in_flight: 1, waiting: 2 });
		leaver.abort();
		await leaving.text().catch(() => {});
		await until("its place is free", async () => (await gateway.fleet("gated")).waiting === 1);
		expect(await gateway.record(leaving)).toMatchObject({ outcome: "client_gone", cost_nano_usd: 0 });
		pool.on("gated", stream(EVENTS));
		gate.releaseOne();
		expect((await first).status).toBe(200);
		const { comments, rest } = parts(await waiting.text());
		expect(comments).toBeGreaterThanOrEqual(1);
		expect(rest).toBe(EVENTS.join(""));
		const record = await gateway.record(waiting);
		expect(record).toMatchObject({ outcome: "ok", status: 200 });
		expect(record.waited_seconds).toBeGreaterThan(0.1);
	});

	it("ends in an error event when its time is over", async () => {
		const gate = new Gate();
		pool.on("silent", gate.answer);
		const first = gateway.chat("silent", { max_tokens: 5 });
		await until("the place is taken", () => gate.arrived.length === 1);
		// More than the wait that is expected before anything has ended here.
		const answer = await streamed("silent", { isobar: { waiting_seconds_max: 6 } });
		expect(answer.status).toBe(200);
		const { rest } = parts(await answer.text());
		expect(JSON.parse(rest.replace(/^data: /, "")).error.code).toBe("overloaded");
		gate.open();
		await first;
	});
});

describe("a client that leaves while its stream has only comments", () => {
	it("ends the call to the pool, and its place is free", async () => {
		const gate = new Gate();
		pool.on("left", gate.answer);
		const body = { model: "left", messages: [{ role: "user", content: MARK }], max_tokens: 5, stream: true };
		const socket = await rawPost(`${gateway.baseURL}/chat/completions`, gateway.key, JSON.stringify(body));
		let got = "";
		socket.on("data", (bytes: Buffer) => (got += bytes.toString()));
		await until("comments", () => got.split(COMMENT.trimEnd()).length > 2);
		// In good order, of which the runtime tells nothing: the next comment finds it out.
		socket.destroy();
		await until("the pool's call is ended", () => gate.arrived[0]?.aborted === true);
		await until("its place is free", async () => (await gateway.fleet("left")).in_flight === 0);
	});
});

describe("no comments", () => {
	it("stand in a stream that is not late, nor does one lose the pool's headers", async () => {
		pool.on("quick", stream(EVENTS, { "x-pool": "yes" }));
		const answer = await streamed("quick");
		expect(Object.fromEntries(answer.headers)).toMatchObject({ "x-pool": "yes", "x-isobar-replica": "quick/a" });
		expect(answer.headers.get("x-isobar-record")).toBeNull();
		expect(await answer.text()).toBe(EVENTS.join(""));
	});

	it("stand in one that pauses after it has begun", async () => {
		pool.on("quick", async (response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(EVENTS[0]);
			await new Promise((resolve) => setTimeout(resolve, LATE_MS));
			response.end(EVENTS.slice(1).join(""));
		});
		expect(await (await streamed("quick")).text()).toBe(EVENTS.join(""));
	});

	it("come where a request or its key wants none, nor in place of a plain answer: their status tells how it went", async () => {
		for (const name of ["without", "of-key", "plain"]) pool.on(name, late(status(500)));
		const without = await streamed("without", { isobar: { heartbeats: false } });
		expect(without.status).toBe(502);
		expect((await errorOf(without)).code).toBe("upstream_failed");
		const key = await gateway.createKey({ policy: { heartbeats: false } });
		const ofKey = await gateway.chat("of-key", { stream: true }, { key });
		expect(ofKey.status).toBe(502);
		await ofKey.text();
		const answer = await gateway.chat("plain");
		expect(answer.status).toBe(502);
		await answer.text();
	});
});
