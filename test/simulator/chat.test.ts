import OpenAI, { BadRequestError } from "openai";
import { describe, expect, it } from "vitest";
import { TOKENS_PER_IMAGE } from "./chat-messages.ts";
import { chat, eventsOf, MODEL, post, startReplica } from "./testing.ts";

const replica = await startReplica();
const client = new OpenAI({ baseURL: `${replica.url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user" as const, content: "Why is the sky blue?" }];
const tools = [
	{
		type: "function" as const,
		function: {
			name: "weather",
			parameters: {
				type: "object",
				properties: { city: { type: "string" }, days: { type: "integer", minimum: 3 }, unit: { enum: ["C", "F"] } },
				required: ["city"],
			},
		},
	},
];

describe("a plain answer", () => {
	it("says that it is simulated and by whom, and counts its tokens", async () => {
		const answer = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 50 });
		expect(answer.id).toMatch(/^chatcmpl-[0-9a-f]{32}$/);
		expect(answer.object).toBe("chat.completion");
		expect(answer.model).toBe(MODEL);
		expect(answer.choices[0]!.message.content).toMatch(/^This is a simulated answer from replica r;/);
		// Begin, role, 5 of text (20 characters), end, role.
		expect(answer.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 50, total_tokens: 59 });
		expect(answer.choices[0]!.finish_reason).toBe("length");
	});

	it("has the members of vLLM's answer", async () => {
		const body: unknown = await (await chat(replica, { max_tokens: 2 })).json();
		expect(body).toEqual({
			id: expect.any(String),
			object: "chat.completion",
			created: expect.any(Number),
			model: MODEL,
			choices: [
				{
					index: 0,
					message: {
						role: "assistant",
						content: "This is ",
						refusal: null,
						annotations: null,
						audio: null,
						function_call: null,
						reasoning: null,
					},
					logprobs: null,
					finish_reason: "length",
					stop_reason: null,
					token_ids: null,
				},
			],
			service_tier: null,
			system_fingerprint: null,
			usage: { prompt_tokens: 9, total_tokens: 11, completion_tokens: 2, prompt_tokens_details: null },
			prompt_logprobs: null,
			prompt_token_ids: null,
			kv_transfer_params: null,
		});
	});

	it("is the same for the same prompt and seed, and another for others", async () => {
		const text = async (extra: object) => {
			const answer = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 100, ...extra });
			return answer.choices[0]!.message.content;
		};
		const first = await text({});
		expect(await text({})).toBe(first);
		expect(await text({ seed: 7 })).not.toBe(first);
		expect(await text({ messages: [{ role: "user", content: "Why is the sky red?" }] })).not.toBe(first);
	});

	it("ends by itself when there is room, and goes on to the limit with ignore_eos", async () => {
		const free = await client.chat.completions.create({ model: MODEL, messages });
		expect(free.choices[0]!.finish_reason).toBe("stop");
		expect(free.usage!.completion_tokens).toBe(Math.ceil(free.choices[0]!.message.content!.length / 4) + 1);
		const body = await (await chat(replica, { max_completion_tokens: 3_000, ignore_eos: true })).json();
		expect(body).toMatchObject({ usage: { completion_tokens: 3_000 }, choices: [{ finish_reason: "length" }] });
	});

	it("is as long as the extra field says", async () => {
		const body = await (await chat(replica, { sim: { output_tokens: 200 } })).json();
		expect(body).toMatchObject({ usage: { completion_tokens: 200 }, choices: [{ finish_reason: "stop" }] });
	});

	it("stops before a stop string and names it", async () => {
		const answer = await (await chat(replica, { stop: ["zzz", "answer from"] })).json();
		expect(answer).toMatchObject({
			choices: [{ message: { content: "This is a simulated " }, finish_reason: "stop", stop_reason: "answer from" }],
			usage: { completion_tokens: 8 },
		});
		const kept = await (await chat(replica, { stop: "simul", include_stop_str_in_output: true })).json();
		expect(kept).toMatchObject({ choices: [{ message: { content: "This is a simul" } }] });
	});

	it("has n choices, log-probabilities and the id that the caller gave", async () => {
		const answer = await client.chat.completions.create(
			{ model: MODEL, messages, n: 3, logprobs: true, top_logprobs: 2, max_tokens: 20 },
			{ headers: { "x-request-id": "mine-1" } },
		);
		expect(answer.id).toBe("chatcmpl-mine-1");
		expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
		expect(answer.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 60 });
		const content = answer.choices[1]!.logprobs!.content!;
		expect(content.map(({ token }) => token).join("")).toBe(answer.choices[1]!.message.content);
		for (const { logprob, top_logprobs } of content) {
			expect(top_logprobs).toHaveLength(2);
			expect(top_logprobs[0]!.logprob).toBe(logprob);
			expect(top_logprobs[1]!.logprob).toBeLessThan(logprob);
		}
	});

	it("is JSON on demand, and fits a schema", async () => {
		const object = await client.chat.completions.create({
			model: MODEL,
			messages,
			response_format: { type: "json_object" },
		});
		expect(JSON.parse(object.choices[0]!.message.content!)).toMatchObject({ simulated: true, replica: "r" });
		const { parameters } = tools[0]!.function;
		const fitted = await client.chat.completions.create({
			model: MODEL,
			messages,
			response_format: { type: "json_schema", json_schema: { name: "weather", schema: parameters } },
		});
		expect(JSON.parse(fitted.choices[0]!.message.content!)).toEqual({ city: "simulated", days: 3, unit: "C" });
	});

	it("calls the required tool, and the named one", async () => {
		const required = await client.chat.completions.create({ model: MODEL, messages, tools, tool_choice: "required" });
		const call = required.choices[0]!.message.tool_calls![0]!;
		expect(required.choices[0]!.finish_reason).toBe("tool_calls");
		expect(call).toMatchObject({ type: "function", function: { name: "weather" } });
		if (call.type === "function")
			expect(JSON.parse(call.function.arguments)).toEqual({ city: "simulated", days: 3, unit: "C" });
		const tool_choice = { type: "function" as const, function: { name: "weather" } };
		const named = await client.chat.completions.create({ model: MODEL, messages, tools, tool_choice });
		expect(named.choices[0]).toMatchObject({ finish_reason: "stop", message: { tool_calls: [{}] } });
		const auto = await client.chat.completions.create({ model: MODEL, messages, tools });
		expect(auto.choices[0]!.message.tool_calls).toBeUndefined();
	});

	it("counts images and tools as prompt", async () => {
		const plain = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 1 });
		const image_url = { url: "data:image/png;base64,iVBORw0KGgo=" };
		const content = [
			{ type: "text" as const, text: messages[0]!.content },
			{ type: "image_url" as const, image_url },
		];
		const seen = await client.chat.completions.create({
			model: MODEL,
			messages: [{ role: "user", content }],
			max_tokens: 1,
		});
		expect(seen.usage!.prompt_tokens - plain.usage!.prompt_tokens).toBe(TOKENS_PER_IMAGE);
		const tooled = await client.chat.completions.create({ model: MODEL, messages, tools, max_tokens: 1 });
		expect(tooled.usage!.prompt_tokens).toBeGreaterThan(plain.usage!.prompt_tokens);
	});

	it("does not read a large prompt, but counts its bytes", async () => {
		const content = `a "quoted" \\ backslash\n`.repeat(4_000);
		const body = { stream: false, messages: [{ role: "user", content }], max_tokens: 1, model: MODEL };
		const answer = (await (await post(replica, "/v1/chat/completions", body)).json()) as OpenAI.ChatCompletion;
		expect(answer.usage!.prompt_tokens).toBe(1 + Math.ceil(JSON.stringify(body.messages).length / 4));
		for (const broken of [
			`{"messages": ["${content}`,
			`{"messages": [], "a": ${" ".repeat(20_000)}x}`,
			`{"x":1${" ".repeat(20_000)}`,
		])
			expect((await post(replica, "/v1/chat/completions", broken)).status).toBe(400);
	});
});

describe("a stream", () => {
	it("has a role chunk, a chunk for each token, the reason in the last, the usage, and [DONE]", async () => {
		const response = await chat(replica, { stream: true, max_tokens: 3, stream_options: { include_usage: true } });
		expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
		const events = await eventsOf(response);
		expect(events.pop()).toBe("[DONE]");
		const chunks = events.map((event) => JSON.parse(event) as OpenAI.ChatCompletionChunk);
		expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
		expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
			{ role: "assistant", content: "" },
			{ content: "This" },
			{ content: " is " },
			{ content: "a si" },
			undefined,
		]);
		expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([null, null, null, "length", undefined]);
		expect(chunks[4]).toMatchObject({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 3 } });
		expect(chunks[3]).not.toHaveProperty("usage");
	});

	it("has no usage unless asked, and in every chunk with continuous_usage_stats", async () => {
		const plain = await eventsOf(await chat(replica, { stream: true, max_tokens: 2 }));
		expect(plain.filter((event) => event.includes("usage"))).toEqual([]);
		const options = { include_usage: true, continuous_usage_stats: true };
		const counted = await eventsOf(await chat(replica, { stream: true, max_tokens: 2, stream_options: options }));
		const used = counted.slice(0, -1).map((event) => (JSON.parse(event) as OpenAI.ChatCompletionChunk).usage);
		expect(used.map((usage) => usage?.completion_tokens)).toEqual([0, 1, 2, 2]);
	});

	it("adds up to the plain answer, in the SDK, for text, tools, choices and reasoning", async () => {
		for (const extra of [
			{},
			{ n: 2, max_tokens: 7 },
			{ tools, tool_choice: "required" as const },
			{ stop: "replica" },
			{ logprobs: true, max_tokens: 4 },
		]) {
			const plain = await client.chat.completions.create({ model: MODEL, messages, ...extra });
			const streamed = await client.chat.completions.stream({ model: MODEL, messages, ...extra }).finalChatCompletion();
			const essence = (answer: OpenAI.ChatCompletion) =>
				answer.choices.map(({ message, finish_reason, logprobs }) => ({
					content: message.content ?? "",
					calls: message.tool_calls?.map((call) => (call.type === "function" ? call.function.arguments : null)) ?? [],
					finish_reason,
					tokens: logprobs?.content?.map(({ token }) => token) ?? [],
				}));
			expect(essence(streamed)).toEqual(essence(plain));
		}
	});

	it("reasons first, on demand", async () => {
		const sim = { reasoning_tokens: 2, output_tokens: 2 };
		const events = await eventsOf(await chat(replica, { stream: true, sim }));
		const deltas = events
			.slice(0, -1)
			.map((event) => Object.keys((JSON.parse(event) as OpenAI.ChatCompletionChunk).choices[0]!.delta));
		expect(deltas).toEqual([["role", "content"], ["reasoning"], ["reasoning"], ["content"], ["content"]]);
		const plain = await (await chat(replica, { sim })).json();
		expect(plain).toMatchObject({ choices: [{ message: { reasoning: expect.stringMatching(/^.{8}$/) } }] });
	});
});

describe("a bad request", () => {
	it.each([
		["malformed JSON", `{"messages": [`, 400],
		["a body that is no object", "[]", 400],
		["no messages", {}, 400],
		["messages of the wrong type", { messages: "hi" }, 400],
		["no message at all", { messages: [] }, 400],
		["a message without role", { messages: [{ content: "hi" }] }, 400],
		["an unknown content part", { messages: [{ role: "user", content: [{ type: "smell" }] }] }, 400],
		["an unknown model", { model: "gpt-5", messages }, 404],
		["max_tokens of zero", { messages, max_tokens: 0 }, 400],
		["n of the wrong type", { messages, n: "two" }, 400],
		["a temperature below zero", { messages, temperature: -1 }, 400],
		["top_logprobs without logprobs", { messages, top_logprobs: 3 }, 400],
		["stream_options without stream", { messages, stream_options: { include_usage: true } }, 400],
		["a tool choice without tools", { messages, tool_choice: "required" }, 400],
		["a tool that is not there", { messages, tools, tool_choice: { type: "function", function: { name: "x" } } }, 400],
		["more than the context", { messages, max_tokens: 131_072 }, 400],
		["another response format", { messages, response_format: { type: "xml" } }, 400],
	])("with %s is answered in vLLM's shape", async (_, body, status) => {
		const response = await post(replica, "/v1/chat/completions", body);
		expect(response.status).toBe(status);
		const { error } = (await response.json()) as { error: Record<string, unknown> };
		expect(error).toEqual({
			message: expect.any(String),
			type: expect.any(String),
			param: error["param"],
			code: status,
		});
	});

	it("says how long the context is", async () => {
		const error = await client.chat.completions
			.create({ model: MODEL, messages, max_tokens: 131_072 })
			.catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(BadRequestError);
		expect(String(error)).toContain("This model's maximum context length is 131072 tokens.");
	});
});
