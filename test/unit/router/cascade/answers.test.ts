import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerKey, canonicalJson, keyOfText, keyOfValue } from "../../../../src/shared/router/cascade/answer-key.ts";
import type { Answer, AnswerChoice } from "../../../../src/shared/router/cascade/answer.ts";
import { faultOf } from "../../../../src/shared/router/cascade/checks.ts";
import { readPlainAnswer } from "../../../../src/shared/router/cascade/read-answer.ts";
import { readStreamedAnswer } from "../../../../src/shared/router/cascade/read-stream.ts";
import { isRefusal } from "../../../../src/shared/router/cascade/refusal.ts";
import { requestedShape, schemaCheck } from "../../../../src/shared/router/cascade/schema-check.ts";
import { schemaWork } from "../../../../src/shared/router/cascade/schema-work.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function choice(part: Partial<AnswerChoice>): AnswerChoice {
	return { text: "", refusal: "", finishReason: "stop", toolCalls: [], logprobs: [], ...part };
}

const one = (part: Partial<AnswerChoice>): Answer => ({ choices: [choice(part)] });

describe("an answer's key", () => {
	test.each([
		["The sum is 12.\nThe answer is $1,234.00.", "number", "1234"],
		["So \\boxed{\\frac{1}{2}} holds.", "number", "0.5"],
		["#### 18", "number", "18"],
		["**Final answer:** 18.0", "number", "18"],
		["The answer is (B) because of light.", "letter", "B"],
		["Answer: C", "letter", "C"],
		["x = 7", "number", "7"],
		["2 seconds", "number", "2"],
		['{"answer": "B", "why": "x"}', "letter", "B"],
		['```json\n{"b": 1, "a": [2]}\n```', "json", '{"a":[2],"b":1}'],
		["Here:\n```python\nreturn  1\n```\n", "text", "return 1"],
		["'abc '", "text", "abc"],
		["1/4", "number", "0.25"],
	])("%j", (text, kind, key) => {
		expect(keyOfText(text)).toEqual({ kind, key });
	});

	test("of prose there is none", () => {
		expect(keyOfText("A long tale of the sea and of those who went down to it, ".repeat(3))).toBeNull();
		expect(keyOfText("")).toBeNull();
	});

	test("of a number does not depend on how it is written", () => {
		fc.assert(
			fc.property(fc.integer({ min: -1e9, max: 1e9 }), (n) => {
				const forms = [
					`${n}`,
					`${n}.00`,
					`$${n.toLocaleString("en-US")}`,
					`**${n}**`,
					`\\boxed{${n}}`,
					`The answer is ${n}.`,
				];
				const keys = forms.filter((form) => n >= 0 || !form.startsWith("$")).map((form) => keyOfText(form));
				expect(new Set(keys.map((key) => JSON.stringify(key))).size).toBe(1);
				expect(keys[0]?.kind).toBe("number");
			}),
		);
	});

	test("of JSON does not depend on the order of members", () => {
		fc.assert(
			fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
				const reversed = Object.fromEntries(Object.entries(object).reverse());
				expect(canonicalJson(object)).toBe(canonicalJson(reversed));
			}),
		);
	});

	test("is found in any text in little time, and never throws", () => {
		fc.assert(fc.property(fc.string({ maxLength: 2_000 }), (text) => void keyOfText(text)));
		for (const unit of [" ", "1", ",", "answer is ", "\\boxed{", "$", "```\n", "{", ".", "answer" + " ".repeat(50)]) {
			const text = unit.repeat(200_000 / unit.length);
			keyOfText(text);
			keyOfValue(text);
		}
	});

	test("of several choices is what most say; of tool calls, what is called with what", () => {
		const says = (...texts: string[]): Answer => ({ choices: texts.map((text) => choice({ text })) });
		expect(answerKey(says("4", "5", "4.0"))).toEqual({ kind: "number", key: "4" });
		const call = (args: string): Answer => one({ toolCalls: [{ name: "f", arguments: args }] });
		expect(answerKey(call('{"a":1,"b":2}'))).toEqual(answerKey(call('{"b":2, "a":1}')));
		expect(answerKey(call('{"a":1}'))).not.toEqual(answerKey(call('{"a":2}')));
	});
});

describe("reading an answer", () => {
	test("a stream adds up to what a plain answer says, however its lines end", () => {
		const text = fc.string({ maxLength: 20 });
		fc.assert(
			fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), fc.constantFrom("\n", "\r\n", "\r"), (parts, end) => {
				const chunk = (delta: object, finish: string | null) =>
					`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}${end}${end}`;
				const stream =
					parts.map((content) => chunk({ content }, null)).join("") + chunk({}, "stop") + `data: [DONE]${end}${end}`;
				const plain = { choices: [{ message: { content: parts.join("") }, finish_reason: "stop" }] };
				expect(readStreamedAnswer(utf8(stream))).toEqual(readPlainAnswer(utf8(JSON.stringify(plain))));
			}),
		);
	});

	test("tool calls come in pieces, choices in any order, logprobs in two forms", () => {
		const call = (index: number, part: object) => ({ index: 0, delta: { tool_calls: [{ index, function: part }] } });
		const events = [
			{ choices: [{ index: 1, delta: { content: "second" }, finish_reason: "stop" }] },
			{ choices: [call(0, { name: "f", arguments: '{"a"' })] },
			{ choices: [call(0, { arguments: ":1}" })] },
			{ choices: [{ index: 0, delta: {}, finish_reason: "tool_calls", logprobs: { content: [{ logprob: -0.5 }] } }] },
			{ choices: [], usage: { total_tokens: 3 } },
		];
		const answer = readStreamedAnswer(utf8(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")));
		expect(answer?.choices).toEqual([
			choice({ finishReason: "tool_calls", toolCalls: [{ name: "f", arguments: '{"a":1}' }], logprobs: [-0.5] }),
			choice({ text: "second" }),
		]);
		const older = readPlainAnswer(utf8('{"choices":[{"text":"x","logprobs":{"token_logprobs":[-1,null]}}]}'));
		expect(older?.choices[0]).toMatchObject({ text: "x", logprobs: [-1] });
	});

	test("the logprobs of a long answer may come in one event", () => {
		const content = Array.from({ length: 300_000 }, () => ({ logprob: -1 }));
		const event = { choices: [{ index: 0, delta: { content: "x" }, logprobs: { content } }] };
		const answer = readStreamedAnswer(utf8(`data: ${JSON.stringify(event)}\n\n`));
		expect(answer?.choices[0]?.logprobs).toHaveLength(content.length);
	});

	test("what is no answer is none", () => {
		expect(readPlainAnswer(utf8("nonsense"))).toBeNull();
		expect(readPlainAnswer(utf8("[]"))).toBeNull();
		expect(readStreamedAnswer(utf8("data: [DONE]\n\n"))).toBeNull();
		fc.assert(fc.property(fc.json(), (json) => void readPlainAnswer(utf8(json))));
	});
});

const NO_SHAPE = requestedShape({});

describe("checks that cost nothing", () => {
	test.each<[string, Partial<AnswerChoice>, string | null]>([
		["an answer", { text: "4" }, null],
		["nothing", { text: " \n" }, "empty"],
		["cut by its length", { text: "4", finishReason: "length" }, "length"],
		["cut by a filter", { text: "4", finishReason: "content_filter" }, "content_filter"],
		["refused in its field", { refusal: "no" }, "refusal"],
		["refused in words", { text: "I’m sorry, but I can’t help with that." }, "refusal"],
		["a tool that nobody named", { toolCalls: [{ name: "f", arguments: "{}" }] }, "tool_unknown"],
	])("%s", (_, part, fault) => {
		expect(faultOf(one(part), NO_SHAPE, false)).toBe(fault);
	});

	test("a length that the client asked for is no fault", () => {
		expect(faultOf(one({ text: "4", finishReason: "length" }), NO_SHAPE, true)).toBeNull();
	});

	test("every choice is looked at", () => {
		expect(faultOf({ choices: [choice({ text: "4" }), choice({})] }, NO_SHAPE, false)).toBe("empty");
		expect(faultOf({ choices: [] }, NO_SHAPE, false)).toBe("unreadable");
		expect(faultOf(null, NO_SHAPE, false)).toBe("unreadable");
	});

	test("JSON where it is asked for, and of the schema that is asked for", () => {
		const schema = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
		const shape = requestedShape({ response_format: { type: "json_schema", json_schema: { name: "x", schema } } });
		expect(faultOf(one({ text: '{"n":1}' }), shape, false)).toBeNull();
		expect(faultOf(one({ text: '{"n":"1"}' }), shape, false)).toBe("schema");
		expect(faultOf(one({ text: "n is 1" }), shape, false)).toBe("not_json");
		expect(faultOf(one({ text: '{"n":1', finishReason: "length" }), shape, true)).toBe("length");
		const anyObject = requestedShape({ response_format: { type: "json_object" } });
		expect(faultOf(one({ text: "[]" }), anyObject, false)).toBe("schema");
	});

	test("a tool's arguments against its parameters", () => {
		const parameters = { type: "object", required: ["city"], properties: { city: { type: "string" } } };
		const shape = requestedShape({ tools: [{ type: "function", function: { name: "weather", parameters } }] });
		const call = (args: string) => one({ toolCalls: [{ name: "weather", arguments: args }] });
		expect(faultOf(call('{"city":"Rome"}'), shape, false)).toBeNull();
		expect(faultOf(call('{"city":7}'), shape, false)).toBe("tool_arguments");
		expect(faultOf(call("{"), shape, false)).toBe("tool_arguments");
	});

	test.each([
		["I cannot assist with that request.", true],
		["As an AI language model, I cannot do that.", true],
		["Sorry for the confusion, it is 7.", false],
		["I can help you with that: cannot is a word.", false],
	])("a refusal by its words: %j", (text, is) => {
		expect(isRefusal(text)).toBe(is);
	});
});

describe("a stranger's schema", () => {
	test("its regular expressions are not run", () => {
		const check = schemaCheck({ type: "string", pattern: "^(a+)+$", format: "email" });
		expect(check.problem(JSON.stringify("a".repeat(40) + "!"))).toBeNull();
		expect(check.problem("7")).not.toBeNull();
		const named = schemaCheck({
			type: "object",
			properties: { pattern: { type: "integer" } },
			patternProperties: { "(a+)+$": false },
		});
		expect(named.problem('{"pattern":"x"}')).not.toBeNull();
		expect(named.problem('{"pattern":1,"aaaa":1}')).toBeNull();
	});

	test("what would take for ever is not judged", () => {
		const recursive = { anyOf: [{ $ref: "#" }, { $ref: "#" }] };
		expect(schemaWork(recursive)).toBe(Infinity);
		expect(schemaCheck(recursive).problem("1")).toBeNull();
		const $defs: Record<string, object> = { d0: { type: "integer" } };
		for (let n = 1; n <= 40; n++)
			$defs[`d${n}`] = { anyOf: [{ $ref: `#/$defs/d${n - 1}` }, { $ref: `#/$defs/d${n - 1}` }] };
		const doubling = { $defs, $ref: "#/$defs/d40" };
		expect(schemaWork(doubling)).toBeGreaterThan(1e12);
		expect(schemaCheck(doubling).problem('"x"')).toBeNull();
		expect(schemaCheck({ $ref: "https://example.com/schema" }).problem("1")).toBeNull();
	});

	test("references inside the document are followed", () => {
		const check = schemaCheck({ $defs: { n: { type: "integer" } }, type: "array", items: { $ref: "#/$defs/n" } });
		expect(check.problem("[1,2]")).toBeNull();
		expect(check.problem('[1,"2"]')).not.toBeNull();
	});

	test("any JSON as schema and instance ends without throwing", () => {
		fc.assert(fc.property(fc.jsonValue(), fc.json(), (schema, instance) => void schemaCheck(schema).problem(instance)));
	});
});
