import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import type { FaultRule } from "../simulator/faults.ts";
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
import { errorOf, startTestGateway } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

/** Each is met once, at the replica that is asked first. */
const FAULTS: readonly [string, { stream: boolean }, FaultRule | "refuse", RegExp][] = [
	["status 500", { stream: false }, { kind: "status", status: 500 }, /answered 500/],
	[
		"status 401, for which the client can do nothing",
		{ stream: false },
		{ kind: "status", status: 401 },
		/answered 401/,
	],
	["a redirect", { stream: false }, { kind: "status", status: 307 }, /307, a redirect/],
	["a refused connection", { stream: false }, "refuse", /connection failed/],
	["no headers", { stream: false }, { kind: "hang", at: "headers" }, /no end in time|no response headers in time/],
	["half a body", { stream: false }, { kind: "cut_body" }, /broke off/],
	["garbage", { stream: false }, { kind: "garbage" }, /no JSON object/],
	["status 503", { stream: true }, { kind: "status", status: 503 }, /answered 503/],
	["a refused connection", { stream: true }, "refuse", /connection failed/],
	["no headers", { stream: true }, { kind: "hang", at: "headers" }, /no response headers in time/],
	["no first event", { stream: true }, { kind: "hang", at: "body" }, /no first event in time/],
	["a cut before the first event", { stream: true }, { kind: "cut_stream", afterEvents: 0 }, /broke off|ended after 0/],
	[
		"half a first event",
		{ stream: true },
		{ kind: "cut_stream", afterEvents: 0, midEvent: true },
		/broke off|ended after 0/,
	],
	["garbage", { stream: true }, { kind: "garbage" }, /no JSON/],
	[
		"another content type",
		{ stream: true },
		{ kind: "content_type", contentType: "text/html" },
		/content type text\/html/,
	],
];
const caseName = (index: number): string => `case-${index}`;

const DEAR = { per: "million_tokens", input: 20, output: 40 } as const;

const pool = await startScriptedPool();
const proxy = await startProxy();
/** Models of two scripted replicas, `first` (cheap) and `second` (dear), named after what the first one does. */
const SCRIPTED = [
	"error-first",
	"heartbeat",
	"redirected",
	"all-bad",
	"client-error",
	"busy",
	"alone-busy",
	"budget",
	"empty-false",
	"empty-true",
];

const gateway = await startTestGateway({
	settings: { headersTimeoutSeconds: 1, firstEventTimeoutSeconds: 1, idleTimeoutSeconds: 1, totalTimeoutSeconds: 2 },
	replicas: FAULTS.flatMap(([, , fault], index) => [
		{
			name: `${caseName(index)}-first/a`,
			model: caseName(index),
			speed: 0,
			behaviour: fault === "refuse" ? { refuse: true } : { faults: [{ ...fault, times: 1 }] },
		},
		{ name: `${caseName(index)}-second/a`, model: caseName(index), speed: 0 },
	]),
	catalog: (urls) =>
		catalogOf([
			...FAULTS.flatMap((_, index) => pair(caseName(index), (which) => urlsOf(urls, `${caseName(index)}-${which}`))),
			...SCRIPTED.filter((name) => name !== "alone-busy").flatMap((name) =>
				pair(name, (which) => [pool.url(`${name}-${which}`)]),
			),
			poolOf("alone-busy", "alone-busy", [pool.url("alone-busy")]),
			poolOf("all-bad-third", "all-bad", [pool.url("all-bad-third"), pool.url("all-bad-fourth")], { price: DEAR }),
			poolOf("loop", "loop", [proxy.url]),
			...pair("half-loop", (which) => [which === "first" ? proxy.url : pool.url("half-loop-second")]),
		]),
});
proxy.to = gateway.isobar.url;

function pair(model: string, urls: (which: "first" | "second") => string[]) {
	return [
		poolOf(`${model}-first`, model, urls("first")),
		poolOf(`${model}-second`, model, urls("second"), { price: { per: "million_tokens", input: 10, output: 20 } }),
	];
}

/** Forwards everything to wherever `to` points: another name for the gateway. */
async function startProxy() {
	const handle = { to: "", url: "" };
	const server = createServer((request, response) => {
		const { method, headers } = request;
		const onward = forward(handle.to + request.url, { method, headers }, (answer) => {
			response.writeHead(answer.statusCode ?? 500, answer.headers);
			answer.pipe(response);
		});
		onward.on("error", () => response.destroy());
		request.pipe(onward);
	});
	await new Promise<void>((resolve) => {
		server.listen(0, "127.0.0.1", resolve);
	});
	afterAll(() => {
		server.closeAllConnections();
		server.close();
	});
	handle.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	return handle;
}

const GOOD = plain(chatAnswer(usage(10, 5)));
const GOOD_STREAM = stream([chunk("hello", "stop"), "data: [DONE]\n\n"]);

/** What the two replicas of a scripted model do from now on. */
function script(model: string, first: Answer, second: Answer): void {
	pool.on(`${model}-first`, first);
	pool.on(`${model}-second`, second);
}

describe("before the first data event, the next replica is tried after", () => {
	it.concurrent.each(
		FAULTS.map(
			([name, extra, , failure], index) =>
				[`${name} (${extra.stream ? "stream" : "plain"})`, index, extra, failure] as const,
		),
	)("%s", async (_, index, extra, failure) => {
		const model = caseName(index);
		const response = await gateway.chat(model, { max_tokens: 5, ...extra });
		const text = await response.text();
		expect(response.status, text).toBe(200);
		expect(response.headers.get("x-isobar-attempts")).toBe("2");
		expect(response.headers.get("x-isobar-replica")).toBe(`${model}-second/a`);
		expect(text).toContain(extra.stream ? "data: [DONE]" : "chat.completion");
		const record = await gateway.record(response);
		expect(record).toMatchObject({ outcome: "ok", replica: `${model}-second/a`, completion_tokens: 5 });
		expect(record.attempts.map(({ replica }) => replica)).toEqual([`${model}-first/a`, `${model}-second/a`]);
		expect(record.attempts[0]!.failure).toMatch(failure);
		expect(record.decision!.at(-1)).toMatchObject({ replica: `${model}-first/a`, rejected: "excluded" });
	});

	it.concurrent("an error as the first event", async () => {
		const error = event({ error: { message: "no", type: "x", param: null, code: 500 } });
		script("error-first", stream([error, "data: [DONE]\n\n"]), GOOD_STREAM);
		const response = await gateway.chat("error-first", { stream: true });
		expect(await response.text()).toBe(`${chunk("hello", "stop")}data: [DONE]\n\n`);
		expect(response.headers.get("x-isobar-attempts")).toBe("2");
	});

	it.concurrent("comments alone, which are no answer", async () => {
		script("heartbeat", stream([": ping\n\n", ": ping\n\n"]), GOOD_STREAM);
		const response = await gateway.chat("heartbeat", { stream: true });
		expect(await response.text()).toBe(`${chunk("hello", "stop")}data: [DONE]\n\n`);
		expect(response.headers.get("x-isobar-attempts")).toBe("2");
	});

	it.concurrent.each([false, true])("an empty body (stream: %s)", async (isStream) => {
		const headers = { "content-type": isStream ? "text/event-stream" : "application/json" };
		const model = `empty-${isStream}`;
		script(model, plain("", headers), isStream ? GOOD_STREAM : GOOD);
		const response = await gateway.chat(model, { stream: isStream });
		await response.text();
		expect(response.headers.get("x-isobar-attempts")).toBe("2");
	});
});

describe("a request that fails everywhere", () => {
	it("ends after three attempts, and tells SDKs not to go on", async () => {
		for (const which of ["first", "second", "third", "fourth"]) pool.on(`all-bad-${which}`, status(500));
		const response = await gateway.chat("all-bad");
		expect(response.status).toBe(502);
		expect(response.headers.get("x-should-retry")).toBe("false");
		expect(await errorOf(response)).toMatchObject({
			code: "upstream_failed",
			type: "upstream_error",
			message: expect.stringContaining("3 attempts"),
			details: { attempts: 3, upstream_status: 500 },
		});
		const record = await gateway.record(response);
		expect(record).toMatchObject({ outcome: "failed", error: "upstream_failed", status: 502, cost_nano_usd: 0 });
		expect(record.attempts).toHaveLength(3);
		expect(new Set(record.attempts.map(({ replica }) => replica)).size).toBe(3);
	});

	it("stops a request that came back to us through a pool", async () => {
		const response = await gateway.chat("loop");
		expect(response.status).toBe(508);
		expect(response.headers.get("x-should-retry")).toBe("false");
		expect((await errorOf(response)).code).toBe("loop_detected");
	});

	it("goes to another pool where only one leads back to us", async () => {
		pool.on("half-loop-second", GOOD);
		const response = await gateway.chat("half-loop");
		expect(response.status).toBe(200);
		expect(response.headers.get("x-isobar-attempts")).toBe("2");
	});
});

describe("what is the client's own fault", () => {
	it.each([400, 409, 413, 415, 422, 451])("passes byte for byte and is not retried: %s", async (code) => {
		const body = `{ "error" : {"message":"your fault é","code":${code}} }\n`;
		script("client-error", plain(body, { "content-type": "application/problem+json", "x-why": "because" }, code), GOOD);
		const before = pool.requests("client-error-second").length;
		const response = await gateway.chat("client-error");
		expect(response.status).toBe(code);
		expect(await response.text()).toBe(body);
		expect(response.headers.get("content-type")).toBe("application/problem+json");
		expect(response.headers.get("x-why")).toBe("because");
		expect(response.headers.get("x-isobar-attempts")).toBe("1");
		expect(pool.requests("client-error-second").length).toBe(before);
		expect(await gateway.record(response)).toMatchObject({ outcome: "refused", status: code, cost_nano_usd: 0 });
	});
});

describe("a replica that asks to be left alone", () => {
	it.each([429, 503])("is, while another one answers (%s)", async (code) => {
		script("busy", status(code, { "retry-after": "60" }), GOOD);
		const response = await gateway.chat("busy");
		expect(response.status).toBe(200);
		const before = pool.requests("busy-first").length;
		const next = await gateway.chat("busy");
		expect(next.headers.get("x-isobar-replica")).toBe("busy-second/a");
		expect(next.headers.get("x-isobar-attempts")).toBe("1");
		const { decision } = await gateway.record(next);
		expect(decision!.at(-1)).toMatchObject({ replica: "busy-first/a", rejected: "unhealthy" });
		expect(pool.requests("busy-first").length).toBe(before);
	});

	it("is for as long as it said, and no longer", async () => {
		pool.on("alone-busy", status(429, { "retry-after": "1" }));
		const first = await gateway.chat("alone-busy");
		expect(first.status).toBe(429);
		expect(first.headers.get("retry-after")).toBe("1");
		expect(first.headers.get("x-should-retry")).toBe("false");
		expect((await errorOf(first)).code).toBe("upstream_rate_limited");
		pool.on("alone-busy", GOOD);
		const refusals: string[] = [];
		await until("the replica is asked again", async () => {
			const response = await gateway.chat("alone-busy");
			if (response.status === 200) return true;
			refusals.push((await errorOf(response)).code);
			expect(response.headers.get("retry-after")).toBe("1");
			return false;
		});
		expect(new Set(refusals)).toEqual(new Set(["no_healthy_replica"]));
		expect(pool.requests("alone-busy")).toHaveLength(2);
	});
});

describe("the retry budget", () => {
	it("lets a failing pool's requests go elsewhere only so often", async () => {
		// All at once, so that each is sent before the first one's failure is known.
		const waiting: (() => void)[] = [];
		script("budget", (response, request) => void waiting.push(() => void status(500)(response, request)), GOOD);
		const asked = Array.from({ length: 12 }, () =>
			gateway.chat("budget", { isobar: { value_of_second_usd: 0, late_second_usd: 0 } }),
		);
		await until("all have come to the first pool", () => waiting.length === asked.length);
		for (const fail of waiting) fail();
		const answers = await Promise.all(asked);
		// Five in ten seconds are free, the rest is a tenth of the pool's own traffic, of which there is none.
		expect(answers.filter((answer) => answer.status === 200)).toHaveLength(5);
		const failed = answers.filter((answer) => answer.status === 502);
		expect(failed).toHaveLength(7);
		expect(pool.requests("budget-second")).toHaveLength(5);
		expect((await errorOf(failed[0]!)).message).toContain("one attempt");
		const record = await gateway.record(failed[1]!);
		expect(record.attempts).toHaveLength(1);
	});
});
