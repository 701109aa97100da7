import { describe, expect, test } from "vitest";
import { readRequest } from "../../../functions/route/read-request.ts";
import type { Endpoint } from "../../../src/shared/scheduler/messages.ts";

const messages = [{ role: "user", content: "hi" }];

function read(body: unknown, endpoint: Endpoint = "chat") {
	return readRequest(endpoint, new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)));
}

function value(body: unknown, endpoint: Endpoint = "chat") {
	const result = read(body, endpoint);
	if (!result.ok) throw new Error(result.error.message);
	return result.value;
}

describe("what is read", () => {
	test("a plain chat request", () => {
		expect(value({ model: "m", messages })).toMatchObject({
			model: "m",
			stream: false,
			maxTokens: null,
			choices: 1,
			needs: ["chat"],
			includeUsage: false,
		});
	});

	test("max_completion_tokens goes before max_tokens; null counts as absent", () => {
		expect(value({ model: "m", messages, max_tokens: 5, max_completion_tokens: 7 }).maxTokens).toBe(7);
		expect(value({ model: "m", messages, max_tokens: null, stream: null }).maxTokens).toBe(null);
	});

	test("what the request needs of a pool", () => {
		const content = [
			{ type: "text", text: "what is it?" },
			{ type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(40_000)}` } },
		];
		const body = {
			model: "m",
			messages: [{ role: "user", content }],
			tools: [{ type: "function" }],
			logprobs: true,
			response_format: { type: "json_object" },
		};
		const request = value(body);
		expect(request.needs).toEqual(["chat", "tools", "vision", "logprobs", "json"]);
		expect(request.promptBytes).toBeLessThan(500);
		expect(request.promptTokensMax).toBe(request.promptBytes + 2_048);
		expect(
			value({ model: "m", messages, tools: [], logprobs: false, response_format: { type: "text" } }).needs,
		).toEqual(["chat"]);
	});

	test("text that only speaks of images needs no vision", () => {
		expect(value({ model: "m", messages: [{ role: "user", content: 'say "image_url"' }] }).needs).toEqual(["chat"]);
	});

	test("lists of prompts count as choices, token lists need a pool that takes them", () => {
		expect(value({ model: "m", prompt: ["a", "b", "c"], n: 2 }, "completions")).toMatchObject({
			choices: 6,
			needs: ["completions"],
		});
		expect(value({ model: "m", prompt: [1, 2, 3] }, "completions")).toMatchObject({
			choices: 1,
			needs: ["completions", "token_prompts"],
		});
		expect(value({ model: "m", prompt: [[1, 2], [3]] }, "completions")).toMatchObject({
			choices: 2,
			needs: ["completions", "token_prompts"],
		});
	});
});

describe("what is wrong is named", () => {
	test.each([
		["invalid_json", undefined, '{"model":"m","messages":['],
		["invalid_json", undefined, ""],
		["invalid_json", undefined, "[1]"],
		["model_missing", "model", { messages }],
		["model_missing", "model", { model: "", messages }],
		["invalid_request", "model", { model: 7, messages }],
		["invalid_request", "messages", { model: "m" }],
		["invalid_request", "messages", { model: "m", messages: "hi" }],
		["invalid_request", "messages", { model: "m", messages: [] }],
		["invalid_request", "stream", { model: "m", messages, stream: "yes" }],
		["invalid_request", "max_tokens", { model: "m", messages, max_tokens: 0 }],
		["invalid_request", "n", { model: "m", messages, n: 1.5 }],
		["invalid_request", "isobar.priority", { model: "m", messages, isobar: { priority: "now" } }],
		["invalid_request", "isobar", { model: "m", messages, isobar: { proirity: "batch" } }],
	])("%s %s", (code, param, body) => {
		const result = read(body);
		expect(result.ok ? "ok" : result.error.code).toBe(code);
		expect(!result.ok && result.error.param).toBe(param);
	});

	test("completions and embeddings name their own field", () => {
		for (const [endpoint, param] of [
			["completions", "prompt"],
			["embeddings", "input"],
		] as const) {
			const result = read({ model: "m" }, endpoint);
			expect(!result.ok && result.error.param).toBe(param);
		}
	});
});
