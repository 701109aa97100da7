import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { reportedUsage, usageOfBody, usageOfTail } from "../../../src/shared/http/usage.ts";
import { bytesOf, objectText, valueText } from "./json-arbitraries.ts";

const NONE = { promptTokens: null, completionTokens: null, cachedTokens: null };

describe("reportedUsage", () => {
	test.each<[unknown, object]>([
		// The shape in OpenAI's API reference for chat completions.
		[
			{
				prompt_tokens: 19,
				completion_tokens: 10,
				total_tokens: 29,
				prompt_tokens_details: { cached_tokens: 16, audio_tokens: 0 },
				completion_tokens_details: { reasoning_tokens: 0 },
			},
			{ promptTokens: 19, completionTokens: 10, cachedTokens: 16 },
		],
		// Embeddings: no completion, so that the total says it is 0.
		[
			{ prompt_tokens: 8, total_tokens: 8 },
			{ promptTokens: 8, completionTokens: 0, cachedTokens: null },
		],
		[
			{ completion_tokens: 3, total_tokens: 8 },
			{ promptTokens: 5, completionTokens: 3, cachedTokens: null },
		],
		[{ prompt_tokens: 8 }, { promptTokens: 8, completionTokens: null, cachedTokens: null }],
		[
			{ prompt_tokens: 8, total_tokens: 7 },
			{ promptTokens: 8, completionTokens: null, cachedTokens: null },
		],
		[{ total_tokens: 8 }, NONE],
		// vLLM without --enable-prompt-tokens-details.
		[
			{ prompt_tokens: 0, completion_tokens: 0, prompt_tokens_details: null },
			{ promptTokens: 0, completionTokens: 0, cachedTokens: null },
		],
		// A count that cannot be is not replaced by a guess.
		[
			{ prompt_tokens: -1, completion_tokens: 2, total_tokens: 5 },
			{ promptTokens: null, completionTokens: 2, cachedTokens: null },
		],
		[
			{ prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 6 } },
			{ promptTokens: 5, completionTokens: 2, cachedTokens: null },
		],
		// DeepSeek's API reference.
		[
			{ prompt_tokens: 16, completion_tokens: 10, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 12 },
			{ promptTokens: 16, completionTokens: 10, cachedTokens: 4 },
		],
		// Moonshot's.
		[
			{ prompt_tokens: 19, completion_tokens: 21, total_tokens: 40, cached_tokens: 10 },
			{ promptTokens: 19, completionTokens: 21, cachedTokens: 10 },
		],
		// Anthropic's, which counts the input without what was cached.
		[
			{ input_tokens: 50, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 },
			{ promptTokens: 170, completionTokens: 7, cachedTokens: 100 },
		],
		[
			{ input_tokens: "50", cache_read_input_tokens: 100 },
			{ ...NONE, cachedTokens: 100 },
		],
		// Said by one is not unsaid by another.
		[
			{ prompt_tokens: 9, prompt_tokens_details: { cached_tokens: 0 }, cached_tokens: 8 },
			{ promptTokens: 9, completionTokens: null, cachedTokens: 0 },
		],
		[{ prompt_tokens: "5", completion_tokens: true }, NONE],
		[{ prompt_tokens: 1e9 + 1, completion_tokens: 1e300 }, NONE],
		[null, NONE],
		[undefined, NONE],
		["usage", NONE],
		[[1, 2], NONE],
	])("%j", (usage, expected) => {
		expect(reportedUsage(usage)).toEqual(expected);
	});

	test("never gives anything but whole counts or null, and never more cached than prompt", () => {
		const count = fc.oneof(fc.nat(), fc.double(), fc.anything());
		const usage = fc.record(
			{
				prompt_tokens: count,
				completion_tokens: count,
				total_tokens: count,
				prompt_tokens_details: fc.oneof(fc.record({ cached_tokens: count }), fc.anything()),
			},
			{ requiredKeys: [] },
		);
		fc.assert(
			fc.property(fc.oneof(usage, fc.anything()), (usage) => {
				const { promptTokens, completionTokens, cachedTokens } = reportedUsage(usage);
				for (const tokens of [promptTokens, completionTokens, cachedTokens]) {
					expect(tokens === null || (Number.isInteger(tokens) && tokens >= 0 && tokens <= 1e9)).toBe(true);
				}
				if (promptTokens !== null) expect(cachedTokens ?? 0).toBeLessThanOrEqual(promptTokens);
			}),
		);
	});
});

describe("usageOfBody", () => {
	const usage = '"usage":{"prompt_tokens":5,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4}}';

	test("reads the usage at the top and no other", () => {
		const text = `{"id":"c","choices":[{"message":{"content":"\\"usage\\":{}"}},{"usage":{"prompt_tokens":1}}],${usage}}\n`;
		expect(usageOfBody(bytesOf(text))).toEqual({
			isObject: true,
			usage: { promptTokens: 5, completionTokens: 7, cachedTokens: 4 },
			error: false,
		});
	});

	test.each(["", "null", "[]", '"x"', "<html>", '{"choices":[', `{${usage}`, `{${usage}}{}`])(
		"%j is garbage",
		(text) => {
			expect(usageOfBody(bytesOf(text))).toEqual({ isObject: false, usage: NONE, error: false });
		},
	);

	test("an object without usage reports none", () => {
		expect(usageOfBody(bytesOf('{"usage":null,"choices":{},"error":null}'))).toMatchObject({
			isObject: true,
			usage: NONE,
			error: false,
		});
	});

	test("knows an error by its shape", () => {
		expect(usageOfBody(bytesOf('{"error":{"message":"no"}}')).error).toBe(true);
		expect(usageOfBody(bytesOf('{"choices":[{"error":1}]}')).error).toBe(false);
	});

	test("takes any JSON object for one, and no other value", () => {
		fc.assert(
			fc.property(
				fc.oneof(
					objectText.map(({ text }) => text),
					valueText,
				),
				(text) => {
					const value: unknown = JSON.parse(text);
					const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
					expect(usageOfBody(bytesOf(text)).isObject).toBe(isObject);
				},
			),
		);
	});
});

describe("usageOfTail", () => {
	const usage = { promptTokens: 5, completionTokens: 7, cachedTokens: null };
	const member = '"usage":{"prompt_tokens":5,"completion_tokens":7}';

	test.each([
		[`{"data":[{"embedding":"AA"}],${member}}`],
		[`{"data":[1,2],${member},"model":"m","x":{"y":[]}}\n`],
		[`{"data":["usage"],${member},"x":{"usage":{"prompt_tokens":1}}}`],
		[`{"data":["usage"],${member},"x":"\\"usage\\":1}"}`],
	])("finds the usage at the end of %s, wherever the tail begins before it", (text) => {
		for (let start = 0; start <= text.indexOf(member); start++) {
			expect(usageOfTail(bytesOf(text.slice(start)))).toEqual(usage);
		}
		for (let start = text.indexOf(member) + 1; start <= text.length; start++) {
			expect(usageOfTail(bytesOf(text.slice(start)))).toBeNull();
		}
	});

	test.each([
		["no usage", '{"data":[1,2]}'],
		["null", '{"data":[1,2],"usage":null}'],
		["a nested usage only", `[{"x":{${member}}}`],
		["a body that was cut", `{"data":[1,2],${member}`],
	])("finds none in %s", (_, text) => {
		expect(usageOfTail(bytesOf(text.slice(1)))).toBeNull();
	});

	test("does not look at every one of many mentions", () => {
		const text = `${member},"data":[${'"usage",'.repeat(2_000)}1]}`;
		expect(usageOfTail(bytesOf(text))).toBeNull();
	});
});
