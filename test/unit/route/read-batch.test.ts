import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readRequest } from "../../../functions/route/read-request.ts";
import { contextNeed } from "../../../src/shared/scheduler/context-need.ts";
import type { Endpoint } from "../../../src/shared/scheduler/messages.ts";

function read(endpoint: Endpoint, text: string) {
	const result = readRequest(endpoint, new TextEncoder().encode(text));
	if (!result.ok) throw new Error(result.error.message);
	return result.value;
}

const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\t"), maxLength: 100 });
const prompts = fc.array(fc.string({ maxLength: 40 }), { minLength: 2, maxLength: 20 });

describe("a batch", () => {
	test("has as many prompts as its list, and the longest one's bytes, whatever spaces stand between", () => {
		fc.assert(
			fc.property(prompts, space, fc.integer({ min: 1, max: 5 }), (texts, gap, n) => {
				const list = `[${gap}${texts.map((text) => JSON.stringify(text)).join(`${gap},${gap}`)}]`;
				const longest = Math.max(...texts.map((text) => Buffer.byteLength(JSON.stringify(text))));
				const batch = { prompts: texts.length, longestPromptBytes: longest };
				const completions = read("completions", `{"model":"m","n":${n},"prompt":${list}}`);
				expect(completions).toMatchObject({ ...batch, choices: n * texts.length });
				expect(read("embeddings", `{"model":"m","input":${list}}`)).toMatchObject(batch);
			}),
		);
	});

	test("is also a list of lists of tokens, and neither a list of tokens nor one of messages", () => {
		expect(read("completions", `{"model":"m","prompt":[[1,2],[3]]}`)).toMatchObject({
			prompts: 2,
			longestPromptBytes: 5,
		});
		const tokens = read("completions", `{"model":"m","prompt":[1,2,3]}`);
		expect(tokens).toMatchObject({ prompts: 1, choices: 1, longestPromptBytes: tokens.promptBytes });
		const chat = read("chat", `{"model":"m","messages":[{},{}]}`);
		expect(chat).toMatchObject({ prompts: 1, choices: 1, longestPromptBytes: chat.promptBytes });
	});
});

describe("what has to fit into a context", () => {
	test("is the longest prompt's share of the tokens, and one answer", () => {
		const request = { promptBytes: 1_000, longestPromptBytes: 400, choiceTokensMax: 50 };
		expect(contextNeed(request, 250)).toEqual({ prompt: 100, answer: 50 });
		expect(contextNeed({ promptBytes: 1_000, choiceTokensMax: 50 }, 250)).toEqual({ prompt: 250, answer: 50 });
	});

	test("is all of a prompt of no bytes", () => {
		expect(contextNeed({ promptBytes: 0, longestPromptBytes: 0, choiceTokensMax: 1 }, 1)).toEqual({
			prompt: 1,
			answer: 1,
		});
	});
});
