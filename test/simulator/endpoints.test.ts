import OpenAI, { NotFoundError } from "openai";
import { describe, expect, it } from "vitest";
import { chat, eventsOf, MODEL, post, startReplica } from "./testing.ts";
import { VOCABULARY_SIZE } from "./tokenizer.ts";

const replica = await startReplica();
const client = new OpenAI({ baseURL: `${replica.url}/v1`, apiKey: "none", maxRetries: 0 });

describe("completions", () => {
	it("take a text, texts, token ids and lists of them", async () => {
		const choices = async (prompt: string | string[] | number[] | number[][], n = 1) => {
			const answer = await client.completions.create({ model: MODEL, prompt, n, max_tokens: 4 });
			expect(answer.object).toBe("text_completion");
			expect(answer.usage!.completion_tokens).toBe(4 * answer.choices.length);
			return [answer.choices.map(({ index }) => index), answer.usage!.prompt_tokens];
		};
		expect(await choices("12345678")).toEqual([[0], 3]);
		expect(await choices(["1234", "12345"], 2)).toEqual([[0, 1, 2, 3], 5]);
		expect(await choices([1, 2, 3])).toEqual([[0], 3]);
		expect(await choices([[1, 2], [3]])).toEqual([[0, 1], 3]);
	});

	it("have 16 tokens by default, and log-probabilities as parallel lists", async () => {
		const answer = await client.completions.create({ model: MODEL, prompt: "hello", logprobs: 2 });
		const { text, logprobs } = answer.choices[0]!;
		expect(answer.usage!.completion_tokens).toBe(16);
		expect(logprobs!.tokens!.join("")).toBe(text);
		expect(logprobs!.text_offset).toEqual(Array.from({ length: 16 }, (_, i) => 4 * i));
		expect(Object.keys(logprobs!.top_logprobs![0]!)).toHaveLength(2);
	});

	it("stream without a role chunk", async () => {
		const body = { prompt: ["a", "b"], max_tokens: 2, stream: true, stream_options: { include_usage: true } };
		const events = await eventsOf(await post(replica, "/v1/completions", body));
		expect(events.pop()).toBe("[DONE]");
		const chunks = events.map((event) => JSON.parse(event) as OpenAI.Completion);
		expect(chunks.map(({ choices }) => choices[0] && [choices[0].index, choices[0].text])).toEqual([
			[0, "This"],
			[1, "This"],
			[0, " is "],
			[1, " is "],
			undefined,
		]);
		expect(chunks.at(-1)!.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 4 });
	});

	it.each([
		["no prompt", {}],
		["an empty list", { prompt: [] }],
		["a token that is not in the vocabulary", { prompt: [VOCABULARY_SIZE] }],
		["half a token", { prompt: [1.5] }],
		["a mixture", { prompt: [[1], { a: 1 }] }],
		["echo", { prompt: "a", echo: true }],
		["a suffix", { prompt: "a", suffix: "b" }],
	])("refuse %s", async (_, body) => {
		expect((await post(replica, "/v1/completions", body)).status).toBe(400);
	});
});

describe("embeddings", () => {
	it("are unit vectors that depend on the whole input, the same in both encodings", async () => {
		const input = ["the same", "the same", `${"x".repeat(90)} the same`, `${"y".repeat(90)} the same`];
		const packed = await client.embeddings.create({ model: MODEL, input });
		const floats = await client.embeddings.create({ model: MODEL, input, encoding_format: "float" });
		const vectors = packed.data.map(({ embedding }) => embedding);
		expect(packed.data.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
		for (const [i, vector] of vectors.entries()) {
			expect(vector).toHaveLength(1_024);
			expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
			for (const [j, value] of vector.entries()) expect(floats.data[i]!.embedding[j]).toBeCloseTo(value, 6);
		}
		expect(vectors[0]).toEqual(vectors[1]);
		expect(vectors[2]).not.toEqual(vectors[3]);
		expect(packed.usage).toMatchObject({ prompt_tokens: 3 + 3 + 26 + 26, total_tokens: 58 });
	});

	it("take token ids and have the dimensions asked for", async () => {
		const answer = await client.embeddings.create({ model: MODEL, input: [[1, 2, 3], [4]], dimensions: 8 });
		expect(answer.data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
		expect(answer.usage.prompt_tokens).toBe(4);
		for (const bad of [{ dimensions: 4_096 }, { encoding_format: "hex" }, { input: [] }])
			expect((await post(replica, "/v1/embeddings", { input: "a", ...bad })).status).toBe(400);
	});
});

describe("models", () => {
	it("are listed and retrieved", async () => {
		const list = await client.models.list();
		expect(list.data).toEqual([
			expect.objectContaining({ id: MODEL, object: "model", owned_by: "vllm", max_model_len: 131_072 }),
		]);
		expect((await client.models.retrieve(MODEL)).id).toBe(MODEL);
		await expect(client.models.retrieve("other")).rejects.toBeInstanceOf(NotFoundError);
	});
});

describe("probes and tools", () => {
	it("answer health, ping and version", async () => {
		for (const path of ["/health", "/ping"]) {
			const response = await fetch(replica.url + path);
			expect([response.status, await response.text()]).toEqual([200, ""]);
		}
		expect(await (await fetch(`${replica.url}/version`)).json()).toHaveProperty("version");
	});

	it("tokenise and give the text back", async () => {
		const tokens = (await (await post(replica, "/tokenize", { prompt: "hello, world" })).json()) as {
			tokens: number[];
		};
		expect(tokens).toMatchObject({ count: 4, max_model_len: 131_072 });
		expect(await (await post(replica, "/detokenize", tokens)).json()).toEqual({ prompt: "hello, world" });
		const messages = [{ role: "user", content: "Why is the sky blue?" }];
		const chatTokens = (await (await post(replica, "/tokenize", { messages })).json()) as { count: number };
		const answer = (await (await chat(replica)).json()) as OpenAI.ChatCompletion;
		expect(chatTokens.count).toBe(answer.usage!.prompt_tokens);
		expect((await post(replica, "/tokenize", {})).status).toBe(400);
		expect((await post(replica, "/detokenize", { tokens: ["a"] })).status).toBe(400);
	});

	it("say in vLLM's shape that a path or a method is not there", async () => {
		const missing = await fetch(`${replica.url}/v2/chat`);
		expect([missing.status, await missing.json()]).toEqual([
			404,
			{ error: { message: "Not Found", type: "Not Found", param: null, code: 404 } },
		]);
		expect((await fetch(`${replica.url}/v1/chat/completions`)).status).toBe(405);
		const text = { method: "POST", body: "{}", headers: { "content-type": "text/plain" } };
		expect((await fetch(`${replica.url}/v1/chat/completions`, text)).status).toBe(400);
	});

	it("show vLLM's metrics, with what was done", async () => {
		replica.reset();
		await chat(replica, { max_tokens: 5 });
		await chat(replica, { stop: "is" });
		const text = await (await fetch(`${replica.url}/metrics`)).text();
		const labels = `engine="0",model_name="${MODEL}"`;
		for (const line of [
			`vllm:num_requests_running{${labels}} 0`,
			`vllm:num_requests_waiting{${labels}} 0`,
			`vllm:kv_cache_usage_perc{${labels}} 0`,
			`vllm:prefix_cache_queries_total{${labels}} 0`,
			`vllm:prefix_cache_hits_total{${labels}} 0`,
			`vllm:prompt_tokens_total{${labels}} 18`,
			`vllm:generation_tokens_total{${labels}} 6`,
			`vllm:request_success_total{finished_reason="stop",${labels}} 1`,
			`vllm:request_success_total{finished_reason="length",${labels}} 1`,
			`vllm:time_to_first_token_seconds_bucket{le="0.001",${labels}} 2`,
			`vllm:time_to_first_token_seconds_bucket{le="+Inf",${labels}} 2`,
			`vllm:time_to_first_token_seconds_count{${labels}} 2`,
		])
			expect(text.split("\n")).toContain(line);
		const started = Number(/^process_start_time_seconds (.*)$/m.exec(text)?.[1]);
		expect(Math.abs(Date.now() / 1_000 - started)).toBeLessThan(60);
	});
});

describe("a replica with an API key", () => {
	it("wants it as Bearer token under /v1 and nowhere else", async () => {
		const guarded = await startReplica({ apiKey: "secret" });
		const refused = await chat(guarded);
		expect([refused.status, await refused.json()]).toEqual([401, { error: "Unauthorized" }]);
		expect((await fetch(`${guarded.url}/v1/models`)).status).toBe(401);
		expect((await fetch(`${guarded.url}/health`)).status).toBe(200);
		const keyed = new OpenAI({ baseURL: `${guarded.url}/v1`, apiKey: "secret" });
		expect((await keyed.models.list()).data).toHaveLength(1);
	});
});
