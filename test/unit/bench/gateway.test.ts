import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import * as fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { AnswerReader, type Answer } from "../../../bench/gateway/answer-reader.ts";
import { runClosed } from "../../../bench/gateway/closed-loop.ts";
import { fault } from "../../../bench/gateway/expectation.ts";
import type { Aim } from "../../../bench/gateway/jobs.ts";
import { LOADS } from "../../../bench/gateway/loads.ts";
import { runOpen } from "../../../bench/gateway/open-loop.ts";
import { ratio, rowsOf, targetsOf, type Measured } from "../../../bench/gateway/rows.ts";
import { arrivals } from "../../../bench/gateway/schedule.ts";
import { readCheck } from "../../../bench/gateway/worker-size.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** A server that answers with this, as the aim of a job. */
async function aimAt(listener: RequestListener, body = "{}"): Promise<Aim> {
	const server = createServer((request, response) => {
		request.resume().on("end", () => listener(request, response));
	}).listen(0, "127.0.0.1");
	closers.push(() => {
		server.closeAllConnections();
		server.close();
	});
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("no port");
	const expected = { bytesMin: 4, bytesMax: 8, endsWith: "}" };
	return { title: "test", url: `http://127.0.0.1:${address.port}/v1`, headers: {}, body, expected };
}

test("answers are read the same however the bytes are cut", () => {
	const body = 'data: {"a":1}\n\ndata: [DONE]\n\n';
	const chunks = [body.slice(0, 3), body.slice(3, 20), body.slice(20)];
	const chunked =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
		chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("") +
		"0\r\n\r\n";
	const whole = `HTTP/1.1 500 Oh\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
	const cuts = fc.array(fc.nat({ max: chunked.length }), { maxLength: 12 });
	fc.assert(
		fc.property(cuts, fc.constantFrom(chunked, whole), (places, text) => {
			const reader = new AnswerReader();
			const answers: Answer[] = [];
			const ends = [...new Set([...places.filter((at) => at < text.length), text.length])].sort((a, b) => a - b);
			let from = 0;
			for (const to of ends) {
				const answer = reader.push(Buffer.from(text.slice(from, to)));
				from = to;
				if (answer) answers.push(answer);
			}
			const status = text === chunked ? 200 : 500;
			expect(answers).toEqual([{ status, bodyBytes: body.length, tail: body.slice(-24) }]);
			expect(reader.push(Buffer.from(text))).toEqual(answers[0]);
		}),
	);
});

test("what is no answer of HTTP/1.1 with a length is not taken for one", () => {
	for (const text of ["<html>\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\nmore"])
		expect(() => new AnswerReader().push(Buffer.from(text))).toThrow();
});

test("only a good answer counts", () => {
	const expected = { bytesMin: 10, bytesMax: 20, endsWith: "[DONE]" };
	expect(fault({ status: 200, bodyBytes: 15, tail: "x data: [DONE]\n\n" }, expected)).toBeNull();
	expect(fault({ status: 429, bodyBytes: 15, tail: "[DONE]" }, expected)).toMatch(/429/);
	expect(fault({ status: 200, bodyBytes: 9, tail: "[DONE]" }, expected)).toMatch(/9 bytes/);
	expect(fault({ status: 200, bodyBytes: 15, tail: "data: {}" }, expected)).toMatch(/an end like/);
});

test("a closed loop counts good answers apart from wrong ones and survives a server that hangs up", async () => {
	let served = 0;
	const aim = await aimAt((_, response) => {
		served++;
		if (served % 5 === 0) response.destroy();
		else if (served % 5 === 1) response.writeHead(503).end('{"no":1}');
		else response.end('{"a":1}');
	});
	const outcome = await runClosed({ ...aim, kind: "closed", connections: 2, warmupSeconds: 0.05, seconds: 0.2 });
	expect(outcome.good).toBeGreaterThan(0);
	expect(outcome.wrong).toBeGreaterThan(0);
	expect(outcome.example).not.toBeNull();
	expect(outcome.perSecond).toBeGreaterThan(0);
});

test("an open loop sends what is due while nothing is answered, and charges the stall to whoever stood in it", async () => {
	const due = arrivals(200, 0.3, 1);
	const held: (() => void)[] = [];
	let released = false;
	// Nobody is answered before the twentieth has come: in a closed loop of fewer that would never be.
	const aim = await aimAt((_, response) => {
		held.push(() => response.end('{"a":1}'));
		released ||= held.length >= 20;
		if (released) for (const answer of held.splice(0)) answer();
	});
	const outcome = await runOpen({ ...aim, kind: "open", rate: 200, warmupSeconds: 0, seconds: 0.3, seed: 1 });
	expect(outcome).toMatchObject({ good: due.length, wrong: 0, example: null });
	expect(outcome.connections).toBeGreaterThanOrEqual(20);
	const longest = outcome.milliseconds.toSorted((a, b) => b - a);
	for (let i = 0; i < 20; i++) expect(longest[i]).toBeGreaterThanOrEqual((due[19]! - due[i]!) * 1_000);
});

test("arrivals are a Poisson process of that rate, the same for the same seed", () => {
	const due = arrivals(500, 40, 3);
	// 20,000 expected; five standard deviations of a Poisson count are 707.
	expect(Math.abs(due.length - 20_000)).toBeLessThan(707);
	expect(due).toEqual(arrivals(500, 40, 3));
	expect(due).not.toEqual(arrivals(500, 40, 4));
	expect(due).toEqual(due.toSorted((a, b) => a - b));
});

test("the loads are what their names say", () => {
	const bytes = Object.fromEntries(LOADS.map(({ id, body }) => [id, Buffer.byteLength(body)]));
	expect(bytes["small"]).toBeGreaterThan(150);
	expect(bytes["small"]).toBeLessThan(300);
	expect(Math.abs(bytes["large"]! - 200_000)).toBeLessThan(10_000);
	expect(JSON.parse(LOADS[1]!.body).messages).toHaveLength(60);
	expect(JSON.parse(LOADS[2]!.body)).toMatchObject({ stream: true, max_tokens: 200 });
});

const MEASURED: Measured = {
	load: { id: "small", title: "small" },
	contenders: [
		{ id: "direct", title: "direct", perSecond: [1_000, 2_000, 1_000], open: null },
		{ id: "pass_through", title: "pass-through", perSecond: [100, 400, 100], open: null },
		{
			id: "isobar",
			title: "Isobar",
			perSecond: [60, 200, 50],
			open: {
				rate: 30,
				rounds: [
					{ through: [3, 4, 9], direct: [1, 2, 3] },
					{ through: [3, 5, 8], direct: [1, 2, 3] },
					{ through: [3, 400, 900], direct: [1, 2, 3] },
				],
			},
		},
		{ id: "portkey", title: "Portkey", perSecond: null, open: null },
	],
};

test("ratios are taken within rounds, so that a slow spell of the machine does not count", () => {
	expect(ratio(MEASURED, "isobar", "pass_through")).toBe(0.5);
	expect(ratio(MEASURED, "isobar", "portkey")).toBeNull();
	expect(ratio(MEASURED, "isobar", "isobar_no_log")).toBeNull();
});

test("a row says what was measured and leaves open what was not", () => {
	const rows = rowsOf([MEASURED]);
	expect(rows[2]).toEqual({
		load: "small",
		through: "Isobar",
		vs_passthrough: 0.5,
		vs_portkey: null,
		requests_per_second: 60,
		range: "50–200",
		added_p50_ms: 3,
		added_p99_ms: 6,
		at_requests_per_second: 30,
	});
	expect(rows[3]).toMatchObject({ requests_per_second: null, vs_passthrough: null, added_p50_ms: null });
});

test("targets compare Isobar as it is deployed", () => {
	const targets = targetsOf([MEASURED], { gzipKb: 172, startupMs: 28 });
	expect(Object.fromEntries(targets.map(({ id, value }) => [id, value]))).toEqual({
		small_vs_passthrough: 0.5,
		small_vs_portkey: null,
		large_vs_passthrough: null,
		large_vs_portkey: null,
		bundle_gz_kb: 172,
		startup_cpu_ms: 28,
	});
});

test("the Worker's size is read from what wrangler 4.155 prints", () => {
	const output = "│ Bundle: 728.05 KiB / gzip: 170.32 KiB\n│   Active: 28.0 ms (including 0.0 ms garbage collection)\n";
	expect(readCheck(output)).toEqual({ gzipKb: 170.32, startupMs: 28 });
	expect(() => readCheck("Something else")).toThrow(/no figures/);
});
