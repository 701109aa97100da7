import OpenAI, {
	AuthenticationError,
	BadRequestError,
	NotFoundError,
	PermissionDeniedError,
	RateLimitError,
} from "openai";
import type { ChatCompletionChunk, ChatCompletionFunctionTool } from "openai/resources/chat/completions";
import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { MARK, startTestGateway } from "./helpers/test-gateway.ts";

const CHAT = "org/chat-8b";
const EMBEDDING = "embedding";

const gateway = await startTestGateway({
	replicas: [
		{ name: "main/a", model: CHAT, speed: 0 },
		{ name: "embed/a", model: EMBEDDING, speed: 0, embeddingDimensions: 32 },
		...["a", "b", "c", "d"].map((id) => ({
			name: `broken/${id}`,
			model: "broken",
			speed: 0,
			behaviour: { faults: [{ kind: "status", status: 500 } as const] },
		})),
		{ name: "busy/a", model: "busy", speed: 0 },
	],
	catalog: (urls) =>
		catalogOf(
			[
				poolOf("main", CHAT, urlsOf(urls, "main")),
				poolOf("embed", EMBEDDING, urlsOf(urls, "embed")),
				poolOf("broken", "broken", urlsOf(urls, "broken")),
				poolOf("busy", "busy", urlsOf(urls, "busy")),
			],
			{
				[CHAT]: { aliases: ["chat"] },
				[EMBEDDING]: { context_length: 8_192, capabilities: ["embeddings", "token_prompts"] },
			},
		),
});

const pool = gateway.simulator.replica("main/a");
const client = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key });
const messages = [{ role: "user" as const, content: `${MARK}: why is the sky blue?` }];

function clientOf(apiKey: string, fetch?: typeof globalThis.fetch): OpenAI {
	return new OpenAI({ baseURL: gateway.baseURL, apiKey, ...(fetch && { fetch }) });
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
	const items: T[] = [];
	for await (const item of stream) items.push(item);
	return items;
}

function textOf(chunks: readonly ChatCompletionChunk[], index = 0): string {
	return chunks
		.flatMap((chunk) => chunk.choices)
		.filter((choice) => choice.index === index)
		.map((choice) => choice.delta.content ?? "")
		.join("");
}

/** The body that the pool got last. */
function lastBody(): Record<string, unknown> {
	return JSON.parse(pool.lastRequests().at(-1)!.body) as Record<string, unknown>;
}

describe("chat.completions", () => {
	it("answers, plain", async () => {
		const { data, response } = await client.chat.completions.create({ model: CHAT, messages }).withResponse();
		expect(data.choices[0]!.message.content).toMatch(/^This is a simulated answer from replica main\/a/);
		expect(data.choices[0]!.finish_reason).toBe("stop");
		expect(data.usage!.total_tokens).toBe(data.usage!.prompt_tokens + data.usage!.completion_tokens);
		expect(response.headers.get("x-isobar-pool")).toBe("main");
	});

	it("answers the same as a stream, without the usage event that nobody asked for", async () => {
		const whole = await client.chat.completions.create({ model: CHAT, messages, seed: 5 });
		const chunks = await all(await client.chat.completions.create({ model: CHAT, messages, seed: 5, stream: true }));
		expect(textOf(chunks)).toBe(whole.choices[0]!.message.content);
		expect(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage)).toBe(true);
	});

	it("streams the usage when it is asked for", async () => {
		const stream_options = { include_usage: true };
		const chunks = await all(
			await client.chat.completions.create({ model: CHAT, messages, stream: true, stream_options }),
		);
		expect(chunks.at(-1)!.choices).toEqual([]);
		expect(chunks.at(-1)!.usage!.completion_tokens).toBeGreaterThan(0);
	});

	it("gives n choices, plain and streamed", async () => {
		const whole = await client.chat.completions.create({ model: CHAT, messages, n: 3, seed: 7 });
		const chunks = await all(
			await client.chat.completions.create({ model: CHAT, messages, n: 3, seed: 7, stream: true }),
		);
		const texts = whole.choices.map((choice) => choice.message.content);
		expect(new Set(texts).size).toBe(3);
		expect([0, 1, 2].map((index) => textOf(chunks, index))).toEqual(texts);
	});

	it("gives logprobs, plain and streamed", async () => {
		const asked = { model: CHAT, messages, max_tokens: 4, logprobs: true, top_logprobs: 2 } as const;
		const whole = await client.chat.completions.create(asked);
		const content = whole.choices[0]!.logprobs!.content!;
		expect(content).toHaveLength(4);
		expect(content[0]!.top_logprobs).toHaveLength(2);
		const chunks = await all(await client.chat.completions.create({ ...asked, stream: true }));
		const streamed = chunks.flatMap((chunk) => chunk.choices[0]!.logprobs?.content ?? []);
		expect(streamed).toEqual(content);
	});

	it("takes images in the content", async () => {
		const image_url = { url: `data:image/png;base64,${Buffer.from("no picture").toString("base64")}` };
		const content = [
			{ type: "text" as const, text: MARK },
			{ type: "image_url" as const, image_url },
		];
		const answer = await client.chat.completions.create({ model: CHAT, messages: [{ role: "user", content }] });
		expect(answer.usage!.prompt_tokens).toBeGreaterThan(500);
		expect(lastBody()["messages"]).toEqual([{ role: "user", content }]);
	});

	it("takes response_format", async () => {
		const schema = { type: "object", properties: { colour: { type: "string" } }, required: ["colour"] };
		const formats = [
			{ type: "json_object" } as const,
			{ type: "json_schema", json_schema: { name: "answer", schema } } as const,
		];
		const [free, bound] = await Promise.all(
			formats.map((response_format) => client.chat.completions.create({ model: CHAT, messages, response_format })),
		);
		expect(JSON.parse(free!.choices[0]!.message.content!)).toMatchObject({ simulated: true });
		expect(JSON.parse(bound!.choices[0]!.message.content!)).toEqual({ colour: expect.any(String) });
	});

	it("takes an alias, and tells the pool its own name", async () => {
		const { response } = await client.chat.completions.create({ model: "chat", messages }).withResponse();
		expect(response.headers.get("x-isobar-model")).toBe(CHAT);
		expect(lastBody()["model"]).toBe(CHAT);
	});
});

describe("tools", () => {
	const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
	const tools: ChatCompletionFunctionTool[] = [{ type: "function", function: { name: "get_weather", parameters } }];
	const asked = { model: CHAT, messages, tools, tool_choice: "required" } as const;

	it("are called, plain", async () => {
		const { choices } = await client.chat.completions.create(asked);
		const [call] = choices[0]!.message.tool_calls!;
		expect(choices[0]!.finish_reason).toBe("tool_calls");
		expect(call).toMatchObject({ type: "function", function: { name: "get_weather" } });
		expect(JSON.parse(call!.type === "function" ? call!.function.arguments : "")).toHaveProperty("city");
	});

	it("are called in a stream, which the SDK puts together to the same call", async () => {
		const whole = await client.chat.completions.create(asked);
		const final = await client.chat.completions.stream(asked).finalChatCompletion();
		expect(final.choices[0]!.finish_reason).toBe("tool_calls");
		expect(final.choices[0]!.message.tool_calls).toMatchObject(whole.choices[0]!.message.tool_calls!);
	});

	it("give back their results", async () => {
		const [call] = (await client.chat.completions.create(asked)).choices[0]!.message.tool_calls!;
		const answer = await client.chat.completions.create({
			model: CHAT,
			tools,
			messages: [
				...messages,
				{ role: "assistant", tool_calls: [call!] },
				{ role: "tool", tool_call_id: call!.id, content: "rain" },
			],
		});
		expect(answer.choices[0]!.finish_reason).toBe("stop");
	});
});

describe("completions", () => {
	it.each([
		["a string", MARK, 1],
		["several strings", [MARK, "and another", "and a third"], 3],
		["tokens", [11, 12, 13, 14], 1],
		[
			"several lists of tokens",
			[
				[11, 12],
				[13, 14, 15],
			],
			2,
		],
	])("takes %s as its prompt", async (_, prompt, choices) => {
		const answer = await client.completions.create({ model: CHAT, prompt, max_tokens: 8 });
		expect(answer.choices.map(({ index }) => index)).toEqual([...Array(choices).keys()]);
		expect(answer.usage!.completion_tokens).toBeLessThanOrEqual(8 * choices);
	});

	it("streams", async () => {
		const whole = await client.completions.create({ model: CHAT, prompt: MARK, max_tokens: 20 });
		const chunks = await all(
			await client.completions.create({ model: CHAT, prompt: MARK, max_tokens: 20, stream: true }),
		);
		expect(chunks.map(({ choices }) => choices[0]!.text).join("")).toBe(whole.choices[0]!.text);
	});
});

describe("embeddings", () => {
	it.each([
		["a string", MARK, 1],
		["several strings", [MARK, "another"], 2],
		["tokens", [11, 12, 13], 1],
	])("takes %s", async (_, input, count) => {
		const { data, usage } = await client.embeddings.create({ model: EMBEDDING, input });
		expect(data).toHaveLength(count);
		for (const { embedding } of data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 3);
		expect(usage.prompt_tokens).toBeGreaterThan(0);
	});

	it("are the same as base64, which the SDK asks for by default, and as numbers", async () => {
		const encoded = await client.embeddings.create({ model: EMBEDDING, input: MARK });
		const numbers = await client.embeddings.create({ model: EMBEDDING, input: MARK, encoding_format: "float" });
		expect(encoded.data[0]!.embedding).toHaveLength(32);
		expect([...Float32Array.from(numbers.data[0]!.embedding)]).toEqual([...encoded.data[0]!.embedding]);
	});
});

describe("models", () => {
	it("lists what the catalog has, and that a router may choose", async () => {
		const ids = (await all(client.models.list())).map(({ id }) => id);
		expect(ids.toSorted()).toEqual(["auto", "broken", "busy", EMBEDDING, CHAT].toSorted());
	});

	it("retrieves one by id, also with a slash in it, and by alias", async () => {
		expect(await client.models.retrieve(EMBEDDING)).toMatchObject({ id: EMBEDDING, object: "model" });
		expect(await client.models.retrieve(CHAT)).toMatchObject({ id: CHAT });
		expect(await client.models.retrieve("chat")).toMatchObject({ id: CHAT });
	});

	it("shows a key only what it may use", async () => {
		const limited = clientOf(await gateway.createKey({ allowed_models: [EMBEDDING] }));
		expect((await all(limited.models.list())).map(({ id }) => id)).toEqual([EMBEDDING]);
		await expect(limited.models.retrieve(CHAT)).rejects.toBeInstanceOf(PermissionDeniedError);
	});
});

describe("errors", () => {
	const ask = (sdk: OpenAI, extra: object = {}) => sdk.chat.completions.create({ model: CHAT, messages, ...extra });

	it("AuthenticationError for a key that is none", async () => {
		const error = await ask(clientOf("isobar_wrong")).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(AuthenticationError);
		expect(error).toMatchObject({ status: 401, code: "key_invalid", type: "authentication_error" });
	});

	it("NotFoundError for an unknown model, with the nearest names", async () => {
		const error = await ask(client, { model: "org/chat-8c" }).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(NotFoundError);
		expect(error).toMatchObject({ status: 404, code: "model_not_found", param: "model" });
		expect((error as Error).message).toContain(`did you mean "${CHAT}"`);
		await expect(client.models.retrieve("nothing")).rejects.toBeInstanceOf(NotFoundError);
	});

	it("BadRequestError for what does not fit and what is no request", async () => {
		const long = await ask(client, { max_tokens: 200_000 }).catch((thrown: unknown) => thrown);
		expect(long).toBeInstanceOf(BadRequestError);
		expect(long).toMatchObject({ code: "context_too_long" });
		const wrong = await ask(client, { n: "two" }).catch((thrown: unknown) => thrown);
		expect(wrong).toBeInstanceOf(BadRequestError);
		expect(wrong).toMatchObject({ code: "invalid_request", param: "n" });
	});

	it("RateLimitError for a limit and for a budget, and no retry of the SDK where it cannot help", async () => {
		let calls = 0;
		const key = await gateway.createKey({ budget: { total_usd: 0.000_001 } });
		const error = await ask(clientOf(key, (...args) => (calls++, fetch(...args)))).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(RateLimitError);
		expect(error).toMatchObject({ status: 429, code: "budget_exhausted" });
		expect(calls).toBe(1);
	});

	it("of pools are retried by us and not by the SDK once more", async () => {
		let calls = 0;
		const error = await ask(
			clientOf(gateway.key, (...args) => (calls++, fetch(...args))),
			{ model: "broken" },
		).catch((thrown: unknown) => thrown);
		expect(error).toMatchObject({ status: 502, code: "upstream_failed" });
		expect(calls).toBe(1);
		const seen = gateway.simulator.replicas.filter(({ name }) => name.startsWith("broken/"));
		expect(seen.map((replica) => replica.state().requests).toSorted((a, b) => a - b)).toEqual([0, 1, 1, 1]);
	});

	it("that a later try may mend are retried by the SDK after Retry-After", async () => {
		const replica = gateway.simulator.replica("busy/a");
		replica.behave({ faults: [{ kind: "status", status: 429, retryAfter: 1, times: 1 }] });
		// From now on the replica is left alone for a second, and a request that comes meanwhile has not been tried anywhere.
		await expect(ask(clientOf(gateway.key), { model: "busy" })).rejects.toMatchObject({
			code: "upstream_rate_limited",
		});
		const answers: Response[] = [];
		const sdk = clientOf(gateway.key, async (...args) => {
			answers.push(await fetch(...args));
			return answers.at(-1)!;
		});
		const answer = await ask(sdk, { model: "busy" });
		expect(answer.choices).toHaveLength(1);
		expect(answers.map(({ status }) => status)).toEqual([503, 200]);
		expect(answers[0]!.headers.get("retry-after")).toBe("1");
		expect(answers[0]!.headers.get("x-should-retry")).toBe("true");
	});
});
