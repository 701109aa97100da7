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

	test("of max_completion_tokens and max_tokens the larger counts; null counts as absent", () => {
		expect(value({ model: "m", messages, max_tokens: 5, max_completion_tokens: 7 }).maxTokens).toBe(7);
		expect(value({ model: "m", messages, max_tokens: 100_000, max_completion_tokens: 1 }).maxTokens).toBe(100_000);
		expect(value({ model: "m", messages, max_tokens: null, stream: null }).maxTokens).toBe(null);
	});

	test("a completion may ask for no token at all, a chat not", () => {
		const body = { model: "m", prompt: "scored", echo: true, max_tokens: 0, logprobs: 1 };
		expect(value(body, "completions").maxTokens).toBe(0);
		const refused = { error: { message: "max_tokens must be a whole number from 1 to 10000000." } };
		expect(read({ model: "m", messages, max_tokens: 0 })).toMatchObject(refused);
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
		expect(request.promptTokensMax).toBe(request.promptBytes + 2_048 + `{"type":"json_object"}`.length);
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

describe("the bound on prompt tokens", () => {
	const big = "word ".repeat(200_000);
	const bound = (...content: unknown[]) => value({ model: "m", messages: [{ role: "user", content }] });

	test("counts text as text, whatever it begins with", () => {
		const picture = { type: "image_url", image_url: { url: "https://x.test/y.png" } };
		for (const text of [
			{ type: "text", text: `data:image/png;base64,${big}` },
			{ type: "text", text: { data: big } },
			{ type: "text", data: big },
		]) {
			expect(bound(text, picture).promptTokensMax).toBeGreaterThan(big.length);
			expect(bound(text, { type: "input_audio", input_audio: { data: "AAAA" } }).promptBytes).toBeGreaterThan(
				big.length,
			);
		}
	});

	test.each([
		["image_url", "vision"],
		["video_url", "vision"],
		["audio_url", "audio"],
		["input_audio", "audio"],
	])("takes the data of %s for no text, and needs %s", (name, need) => {
		const carried = name === "input_audio" ? { data: "A".repeat(400_000) } : { url: `data:x/y;base64,${big}` };
		const request = bound({ type: "text", text: "what is it?" }, { type: name, [name]: carried });
		expect(request.promptBytes).toBeLessThan(300);
		expect(request.promptTokensMax).toBeGreaterThan(request.promptBytes);
		expect(request.needs).toContain(need);
	});

	test.each([
		[
			"a type written with escapes",
			`{"type":"image\\u005furl","image\\u005f\\u0075rl":{"url":"https://x.test/y"}}`,
			2_048,
		],
		["an image without a type", `{"image_url":{"url":"https://x.test/y"}}`, 2_048],
		["an image in other letters", `{"type":"image_url","Image_URL":{"url":"https://x.test/y"}}`, 2_048],
		["a video by its link", `{"type":"video_url","video_url":{"url":"https://x.test/y"}}`, 24_576],
		["audio by its link", `{"type":"audio_url","audio_url":{"url":"https://x.test/y"}}`, 24_576],
		["a file", `{"type":"file","file":{"file_id":"f"}}`, 24_576],
		["a link of an unknown kind", `{"type":"mesh_url","mesh_url":{"url":"https://x.test/y"}}`, 24_576],
		["a part that cannot be read", `{"type":"image_url","\\x":1}`, 24_576],
	])("has a cap for %s", (_, part, cap) => {
		const request = value(`{"model":"m","messages":[{"role":"user","content":[${part}]}]}`);
		expect(request.promptTokensMax).toBeGreaterThanOrEqual(request.promptBytes + cap);
	});

	test("counts whatever else a template may put into the prompt", () => {
		const functions = [{ name: "f", description: big }];
		const response_format = { type: "json_schema", json_schema: { name: "x", schema: { description: big } } };
		expect(value({ model: "m", messages, functions }).promptTokensMax).toBeGreaterThan(big.length);
		expect(value({ model: "m", messages, response_format }).promptTokensMax).toBeGreaterThan(big.length);
		expect(value({ model: "m", messages, documents: [{ text: big }] }).promptTokensMax).toBeGreaterThan(big.length);
		expect(value({ model: "m", prompt: "a", suffix: big }, "completions").promptTokensMax).toBeGreaterThan(big.length);
	});

	test("does not count what is no prompt", () => {
		const plain = value({ model: "m", messages });
		const more = value({ model: "m", messages, user: "u".repeat(100), temperature: 1, stream: true, isobar: {} });
		expect(more.promptTokensMax).toBe(plain.promptTokensMax);
		expect(plain.promptTokensMax).toBe(JSON.stringify(messages).length);
	});
});

describe("who chooses the model", () => {
	const route = (body: object, header: string | null = null) => {
		const bytes = new TextEncoder().encode(JSON.stringify({ messages, ...body }));
		const result = readRequest("chat", bytes, header);
		if (!result.ok) throw new Error(result.error.message);
		return result.value.route;
	};

	test("is nobody where it is named and nothing else is said", () => {
		expect(route({ model: "m" })).toBeNull();
		expect(route({ model: "m", isobar: { priority: "batch", route: null } })).toBeNull();
	});

	test("is a router, or is made up from what is listed, or from the one that has to meet something", () => {
		expect(route({ model: "auto" })).toMatchObject({ target: { router: "default" } });
		expect(route({ model: "auto:x" })).toMatchObject({ target: { router: "x" } });
		expect(route({ model: ["a", "b", "a"] })).toMatchObject({ target: { models: ["a", "b"] } });
		expect(route({ model: "m", isobar: { route: { max_usd: 1 } } })).toMatchObject({
			target: { models: ["m"] },
			controls: { max_usd: 1 },
		});
		expect(route({ model: "m" }, '{"max_calls":2}')).toMatchObject({
			target: { models: ["m"] },
			controls: { max_calls: 2 },
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
		["invalid_request", "model", { model: [], messages }],
		["invalid_request", "model", { model: [7], messages }],
		["invalid_request", "isobar", { model: "m", messages, isobar: "auto" }],
		["invalid_request", "isobar.route", { model: "m", messages, isobar: { route: "cheap" } }],
		[
			"invalid_request",
			"isobar.route.weights.size",
			{ model: "m", messages, isobar: { route: { weights: { size: "s" } } } },
		],
		["invalid_request", "messages", { model: "m" }],
		["invalid_request", "messages", { model: "m", messages: "hi" }],
		["invalid_request", "messages", { model: "m", messages: [] }],
		["invalid_request", "stream", { model: "m", messages, stream: "yes" }],
		["invalid_request", "max_tokens", { model: "m", messages, max_tokens: 0 }],
		["invalid_request", "n", { model: "m", messages, n: 1.5 }],
		["invalid_request", "extra_key", `{"model":"m","messages":[],"extra_key":"a","extra_key":"b"}`],
		["invalid_request", "Extra_Key", { model: "m", messages, Extra_Key: "a" }],
		["invalid_request", "isobar.priority", { model: "m", messages, isobar: { priority: "now" } }],
		["invalid_request", "isobar", { model: "m", messages, isobar: { proirity: "batch" } }],
		["invalid_request", "Model", { model: "cheap", messages, Model: "dear" }],
		["invalid_request", "MAX_TOKENS", { model: "m", messages, MAX_TOKENS: 100_000, max_tokens: 1 }],
		["invalid_request", "\u017ftream", { model: "m", messages, "\u017ftream": true }],
		["invalid_request", "max_to\u212aens", { model: "m", messages, "max_to\u212aens": 9 }],
		["invalid_request", "model", `{"model":"cheap","m\\u006fdel":"dear","messages":[{}]}`],
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
