import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SseTap, type SseTapOptions } from "../../../src/shared/http/sse.ts";
import { bytesOf, textOf } from "./json-arbitraries.ts";
import { readNaively } from "./sse-naive.ts";

const TOKEN = '{"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"usage":null}';
const FINISH = '{"id":"c","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]}';
const USAGE = '{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}';

/** Text that looks like what the tap searches for, so that being fooled by it would show. */
const tricky = fc.oneof(
	fc.constantFrom(
		"",
		" ",
		"x",
		":",
		'"content":"x"',
		'"usage":{"a":1}',
		"\\",
		'\\"text":',
		'"',
		'a"finish_reason":"stop"',
	),
	fc.constantFrom('{"error":{"message":"m"}}', "é😀", "data: [DONE]\n\n", "[DONE]", "\r\n\r\n", 'error"'),
	fc.string({ unit: "binary", maxLength: 8 }),
);
const text = fc.oneof(tricky, fc.constant(null));
const delta = fc.oneof(
	fc.record(
		{
			role: fc.constant("assistant"),
			content: fc.oneof(text, fc.constant([]), fc.constant([{ type: "text", text: "x" }])),
			reasoning: text,
			reasoning_content: text,
			refusal: text,
			tool_calls: fc.constantFrom([], null, [{ index: 0, function: { name: "f", arguments: '{"content":"x"}' } }]),
			function_call: fc.constantFrom(null, {}, { name: "f" }),
			audio: fc.constantFrom(null, {}, { data: "AAAA" }),
			context: tricky,
		},
		{ requiredKeys: [] },
	),
	fc.constant({}),
);
const choice = fc.oneof(
	fc.record(
		{
			index: fc.nat(3),
			delta,
			finish_reason: fc.constantFrom(null, "", "stop", "length"),
			logprobs: fc.constant(null),
		},
		{ requiredKeys: ["delta"] },
	),
	fc.record({ index: fc.nat(3), text: tricky, finish_reason: fc.constantFrom(null, "stop") }),
);
const usage = fc.constantFrom(null, {}, [], "none", { prompt_tokens: 1, completion_tokens: 2 }, { total_tokens: -1 });
const payload = fc.oneof(
	fc.record(
		{
			id: tricky,
			choices: fc.array(choice, { maxLength: 2 }),
			usage,
			error: fc.constantFrom(null, { message: "m" }, "e"),
		},
		{ requiredKeys: ["choices"] },
	),
	fc.record({ choices: fc.constant([]), usage }),
	fc.record({ object: fc.constant("error"), detail: fc.record({ error: tricky, usage }) }),
);
/** A payload as a pool may write it: compact, as Python does, or over several lines. */
const json = fc
	.tuple(
		payload,
		fc.constantFrom<(json: string) => string>(
			(t) => t.replaceAll(/\n\s*/g, ""),
			(t) => t.replaceAll(/\n\s*/g, " "),
			(t) => t,
		),
	)
	.map(([value, layout]) => layout(JSON.stringify(value, null, 1)));
const data = fc.oneof(
	{ weight: 6, arbitrary: json },
	{ weight: 2, arbitrary: fc.constantFrom("[DONE]", " [DONE] ", "[DONE", "", "hello", "{", "[1]", TOKEN, USAGE) },
);
const lines = fc.oneof(
	{
		weight: 8,
		arbitrary: fc
			.tuple(fc.constantFrom("data: ", "data:"), data)
			.map(([prefix, value]) => [...value.split("\n").map((line) => prefix + line), ""]),
	},
	{
		weight: 1,
		arbitrary: data.map((value) => ["id: 7", ...value.split("\n").map((line) => `data: ${line}`), ": note", ""]),
	},
	{
		weight: 1,
		arbitrary: data.map((value) => ["event: error", ...value.split("\n").map((line) => `data:${line}`), ""]),
	},
	fc.constantFrom(
		[": keepalive"],
		[":", ""],
		[""],
		["retry: 10", ""],
		["data", ""],
		["database: x", ""],
		["dat", "data"],
	),
);
const stream = fc
	.tuple(
		fc.array(fc.tuple(lines, fc.constantFrom("\n", "\n", "\r\n", "\r")), { maxLength: 6 }),
		fc.oneof(fc.constant(""), fc.constantFrom("data: {", "data: [DONE", ": keep", 'data: {"a":1}\n', "\r", "d")),
	)
	.map(([events, rest]) => events.map(([parts, eol]) => parts.map((line) => line + eol).join("")).join("") + rest);
/** Sizes of the chunks, used over and over. */
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

/** Pushes the text in chunks of these sizes, and spoils each chunk after use. */
function run(text: string, sizes: readonly number[], options: SseTapOptions = {}): { tap: SseTap; forward: string } {
	const tap = new SseTap(options);
	const bytes = bytesOf(text);
	const forwarded: Uint8Array[] = [];
	for (let at = 0, turn = 0; at < bytes.length; turn++) {
		const chunk = bytes.slice(at, at + (sizes[turn % sizes.length] ?? 1));
		at += chunk.length;
		forwarded.push(tap.push(chunk).slice());
		chunk.fill(0x0a);
	}
	return { tap, forward: Buffer.concat(forwarded).toString("latin1") };
}

function summary(tap: SseTap, forward: string): unknown {
	const { dataEvents, tokenEvents, done, finished, usage } = tap;
	return { forward, dataEvents, tokenEvents, done, finished, error: tap.error !== null, usage };
}

function expected(text: string, dropUsageEvent: boolean): unknown {
	const { forward, ...seen } = readNaively(text, dropUsageEvent);
	return { ...seen, forward: Buffer.from(forward).toString("latin1") };
}

describe("SseTap", () => {
	test("says and forwards what a plain parser does, however the stream is cut into chunks", () => {
		fc.assert(
			fc.property(stream, sizes, fc.boolean(), (text, sizes, dropUsageEvent) => {
				const { tap, forward } = run(text, sizes, { dropUsageEvent });
				expect(summary(tap, forward)).toEqual(expected(text, dropUsageEvent));
				expect(tap.end()).toHaveLength(0);
			}),
			{ numRuns: 1500 },
		);
	});

	test("cut off at any byte, forwards the whole events before it and nothing else", () => {
		fc.assert(
			fc.property(stream, sizes, (text, sizes) => {
				for (let length = 0; length <= text.length; length++) {
					const cut = text.slice(0, length).toWellFormed();
					const { tap, forward } = run(cut, sizes, { dropUsageEvent: true });
					expect(summary(tap, forward)).toEqual(expected(cut, true));
				}
			}),
			{ numRuns: 25 },
		);
	});

	test("gives the very same chunk back where it ends with an event", () => {
		for (const eol of ["\n", "\r\n", "\r"]) {
			const tap = new SseTap({ dropUsageEvent: true });
			const chunk = bytesOf(
				[`data: ${TOKEN}`, "", ": hb", "", `data: ${FINISH}`, "", "data: [DONE]", "", ""].join(eol),
			);
			expect(tap.push(chunk)).toBe(chunk);
			expect(tap).toMatchObject({ dataEvents: 3, tokenEvents: 1, finished: true, done: true });
		}
	});

	test("does not copy whole events before half of one", () => {
		const tap = new SseTap();
		const chunk = bytesOf(`data: ${TOKEN}\n\ndata: {`);
		const forward = tap.push(chunk);
		expect(forward.buffer).toBe(chunk.buffer);
		expect(textOf(forward)).toBe(`data: ${TOKEN}\n\n`);
		expect(textOf(tap.push(bytesOf("}\n\n")))).toBe("data: {}\n\n");
	});

	test("takes out the usage event, and only when it is asked to and the event has no choices", () => {
		const withChoices = TOKEN.replace('"usage":null', '"usage":{"prompt_tokens":3,"completion_tokens":1}');
		const text = [withChoices, USAGE, "[DONE]"].map((data) => `data: ${data}\n\n`).join("");
		const usage = { promptTokens: 3, completionTokens: 2, cachedTokens: null };
		const dropped = run(text, [text.length], { dropUsageEvent: true });
		expect(dropped.forward).toBe(`data: ${withChoices}\n\ndata: [DONE]\n\n`);
		expect(dropped.tap).toMatchObject({ usage, dataEvents: 3, done: true });
		const kept = run(text, [text.length]);
		expect(kept.forward).toBe(text);
		expect(kept.tap.usage).toEqual(usage);
	});

	test("leaves a single byte before what it takes out", () => {
		expect(run(`\ndata: ${USAGE}\n\n\n`, [1000], { dropUsageEvent: true }).forward).toBe("\n\n");
	});

	test("takes the LF of a CRLF out with the event, though it comes later", () => {
		const tap = new SseTap({ dropUsageEvent: true });
		expect(tap.push(bytesOf(`data: ${USAGE}\r\n\r`))).toHaveLength(0);
		expect(textOf(tap.push(bytesOf("\ndata: [DONE]\r\n\r")))).toBe("data: [DONE]\r\n\r");
		expect(textOf(tap.push(bytesOf("\n")))).toBe("\n");
		expect(tap.end()).toHaveLength(0);
	});

	test("passes a heartbeat at once and does not take it for the answer", () => {
		const tap = new SseTap();
		for (const heartbeat of [": keepalive\n\n", ":\n", ": x\r\n"]) {
			expect(textOf(tap.push(bytesOf(heartbeat)))).toBe(heartbeat);
		}
		expect(tap).toMatchObject({ dataEvents: 0, isJson: true });
	});

	test.each([
		['{"choices":[{"delta":{"content" : "x"}}]}', 1],
		['{"choices":[{"delta":{"content":\t[ ]}}]}', 0],
		['{"choices":[{"delta":{"tool_calls": [ {}]}}]}', 1],
		['{"choices":[{"delta":{"audio":{ }}}]}', 0],
		['{"choices":[{"delta":{"content": ', 0],
		['{"choices":[{"delta":{"content":false,"refusal":null}}]}', 0],
		['{"choices":[{"delta":{"content_":"x","acontent":"x","role":"content"}}]}', 0],
		['{"choices":[{"delta":{"a\\"content":"x"}}]}', 0],
		['{"choices":[{"delta":{"content":""},"logprobs":{"content":[{"token":"x"}]}}]}', 1],
	])("%s has %i token events", (data, count) => {
		expect(run(`data: ${data}\n\n`, [1000]).tap.tokenEvents).toBe(count);
	});

	test.each([
		['data: {"error":{"message":"é"}}\n\n', '{"error":{"message":"é"}}'],
		["event: error\ndata: overloaded\n\n", "overloaded"],
		['data: {"error":null,"choices":[{"error":{"x":1}}]}\n\n', null],
		['data: {"choices":[{"delta":{"content":"{\\"error\\":{}}"}}]}\n\n', null],
	])("finds an error in %j: %j", (text, error) => {
		expect(run(text, [1000]).tap.error).toBe(error);
	});

	test("keeps the first error of several", () => {
		expect(run('data: {"error":"a"}\n\ndata: {"error":"b"}\n\n', [1000]).tap.error).toBe('{"error":"a"}');
	});

	test.each([
		[`data: ${TOKEN}\n\ndata: x\n\n`, true],
		["data: [DONE]\n\n", true],
		["data: <html>\n\n", false],
		['data: {"a":1\n\n', false],
		["data: [1]\n\n", false],
	])("says of %j whether its first data is JSON: %s", (text, isJson) => {
		expect(run(text, [1000]).tap.isJson).toBe(isJson);
	});

	test("a byte order mark before the first event is no part of it", () => {
		const { tap, forward } = run(`\ufeffdata: ${TOKEN}\n\n`, [1000]);
		expect(tap.tokenEvents).toBe(1);
		expect(forward).toBe(Buffer.from(`\ufeffdata: ${TOKEN}\n\n`).toString("latin1"));
		for (const size of [5, 1000]) {
			expect(run(`id: 1\n\n\ufeffdata: ${TOKEN}\n\n`, [size]).tap.dataEvents).toBe(0);
			expect(run(`data: ${TOKEN}\n\n\ufeffdata: ${TOKEN}\n\n`, [size]).tap.dataEvents).toBe(1);
		}
	});

	test.each(["data: [DONE]", "data: [DONE]\n", "data:[DONE]\r\n"])("ends well with %j and no blank line", (last) => {
		const { tap, forward } = run(`data: ${TOKEN}\n\n${last}`, [7]);
		expect(forward).toBe(`data: ${TOKEN}\n\n`);
		expect(tap.done).toBe(false);
		expect({ rest: textOf(tap.end()), done: tap.done }).toEqual({ rest: last, done: true });
	});

	test("discards any other event without its blank line", () => {
		const { tap } = run(`data: ${TOKEN}\n`, [9]);
		expect(tap.end()).toHaveLength(0);
		expect(tap.dataEvents).toBe(0);
	});

	describe("an event that is too long", () => {
		const head = "data: 1\n\n";

		test.each([1, 3, 1000])("ends the stream after the events before it, in chunks of %i bytes", (size) => {
			const { tap, forward } = run(`${head}data: ${"x".repeat(60)}\n\n${head}`, [size], { eventBytesMax: 50 });
			expect(forward).toBe(head);
			expect(tap).toMatchObject({ overflow: true, dataEvents: 1 });
			expect(tap.push(bytesOf(head))).toHaveLength(0);
			expect(tap.end()).toHaveLength(0);
		});

		test("is given up before it ends", () => {
			const { tap, forward } = run(`${head}data: ${"x".repeat(60)}`, [1000], { eventBytesMax: 50 });
			expect(forward).toBe(head);
			expect(tap.overflow).toBe(true);
		});

		test("is measured to the last byte", () => {
			const text = `data: ${"x".repeat(42)}\n\n`;
			expect(run(text, [7], { eventBytesMax: 50 }).forward).toBe(text);
			expect(run(text, [7], { eventBytesMax: 49 }).tap.overflow).toBe(true);
			expect(run(text, [100], { eventBytesMax: 50 }).forward).toBe(text);
			expect(run(text, [100], { eventBytesMax: 49 }).tap.overflow).toBe(true);
		});

		test("of nearly 4 MiB passes though it comes in small pieces", () => {
			const text = `data: {"choices":[{"delta":{"audio":{"data":"${"A".repeat(4 * 1024 * 1024 - 100)}"}}}]}\n\n`;
			const { tap, forward } = run(text, [1, 2, 300]);
			expect(forward === text).toBe(true);
			expect(tap.tokenEvents).toBe(1);
		});
	});
});
