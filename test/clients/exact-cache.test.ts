import OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import type { RouteExplanation } from "../../src/shared/router/explanation.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { errorOf, MARK, startTestGateway, type Answered } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const gateway = await startTestGateway({
	replicas: ["m", "strong"].map((model) => ({ name: `${model}/a`, model, speed: 0 })),
	catalog: (urls): CatalogInput => ({
		...catalogOf(["m", "strong"].map((model) => poolOf(model, model, urlsOf(urls, model)))),
		routers: [
			{ id: "default", models: ["m", "strong"], incumbent: "m", cache: { when: "deterministic", ttl_seconds: 60 } },
			{
				id: "ruled",
				incumbent: "m",
				rules: [
					{ id: "hello", equals: ["hello", "good morning"], answer: "Good day!" },
					{ id: "no-secrets", contains_any: ["the password of"], refusal: "That is not told here." },
					{ id: "poor", words: ["guess"], answer: "Perhaps.", quality: 0 },
				],
			},
		],
	}),
});
const pool = gateway.simulator.replica("m/a");
const openai = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key, maxRetries: 0 });

beforeEach(() => pool.reset());

let prompts = 0;
const fresh = (): string => `${MARK}: question ${prompts++}`;

function body(content: string, more: object = {}): object {
	return { model: "auto", messages: [{ role: "user", content }], max_tokens: 16, temperature: 0, ...more };
}

const send = (content: string, more: object = {}, key?: string) =>
	gateway.post("/chat/completions", body(content, more), key === undefined ? {} : { key });

type Cached = Answered & { readonly cache?: string; readonly rule?: string; readonly route: RouteExplanation };
const recordOf = async (of: Response) => (await gateway.record(of)) as Cached;

describe("the exact cache", () => {
	test("gives the same bytes again, plain and as a stream, for nothing", async () => {
		for (const more of [{}, { stream: true }]) {
			pool.reset();
			const prompt = fresh();
			const first = await send(prompt, more);
			expect(first.headers.get("x-isobar-cache")).toBe("miss");
			const bytes = await first.text();
			const again = await until("the answer to be kept", async () => {
				const answer = await send(prompt, more);
				return answer.headers.get("x-isobar-cache") === "hit" && answer;
			});
			expect(await again.text()).toBe(bytes);
			expect(again.headers.get("content-type")).toBe(first.headers.get("content-type"));
			expect(again.headers.get("x-isobar-model")).toBe("m");
			expect(await recordOf(again)).toMatchObject({
				cache: "hit",
				cost_nano_usd: 0,
				pool: null,
				model: "m",
				outcome: "ok",
			});
		}
	});

	test("through the OpenAI SDK a stream that was kept reads as the first", async () => {
		const request = { ...(body(fresh()) as OpenAI.ChatCompletionCreateParamsNonStreaming), stream: true as const };
		const textOf = async () => {
			const { data, response } = await openai.chat.completions.create(request).withResponse();
			let text = "";
			for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? "";
			return { text, cache: response.headers.get("x-isobar-cache") };
		};
		const first = await textOf();
		expect(first.cache).toBe("miss");
		await until("a hit", async () => {
			const again = await textOf();
			expect(again.text).toBe(first.text);
			return again.cache === "hit";
		});
	});

	test("members without effect make no difference, all others do", async () => {
		const prompt = fresh();
		await (await send(prompt)).text();
		await until(
			"a hit",
			async () =>
				(await send(prompt, { user: "someone", metadata: { a: "b" } })).headers.get("x-isobar-cache") === "hit",
		);
		for (const more of [
			{ max_tokens: 17 },
			{ seed: 3 },
			{ top_p: 0.5 },
			{ stream: true },
			{ model: "auto:default" },
			{ n: 2 },
		]) {
			const answer = await send(prompt, more);
			// `auto` is the router `default`: the same.
			expect(answer.headers.get("x-isobar-cache"), JSON.stringify(more)).toBe("model" in more ? "hit" : "miss");
			await answer.text();
		}
	});

	test("is off but where the temperature is 0 or the request asks for it, and for who declines it", async () => {
		const cacheOf = async (more: object) => (await send(fresh(), more)).headers.get("x-isobar-cache");
		expect(await cacheOf({ temperature: 0.5 })).toBeNull();
		expect(await cacheOf({ temperature: undefined })).toBeNull();
		expect(await cacheOf({ model: "m" })).toBeNull();
		expect(await cacheOf({ isobar: { route: { cache: false } } })).toBeNull();
		expect(await cacheOf({ temperature: 1, isobar: { route: { cache: true } } })).toBe("miss");
		expect(await cacheOf({ model: "m", isobar: { route: { cache: true } } })).toBe("miss");
	});

	test("a key's policy turns it on for named models too", async () => {
		const key = await gateway.createKey({ policy: { cache: { when: "always" } } });
		expect((await send(fresh(), { model: "m", temperature: 1 }, key)).headers.get("x-isobar-cache")).toBe("miss");
	});

	test("a tenant's answers are given to nobody else", async () => {
		const prompt = fresh();
		await (await send(prompt)).text();
		await until("a hit", async () => (await send(prompt)).headers.get("x-isobar-cache") === "hit");
		const other = await gateway.createKey({ tenant: "another" });
		expect((await send(prompt, {}, other)).headers.get("x-isobar-cache")).toBe("miss");
	});

	test("an answer that a key's policy would not have allowed is not given to that key", async () => {
		const prompt = fresh();
		const longer = { max_tokens: undefined };
		await (await send(prompt, longer)).text();
		await until("a hit", async () => (await send(prompt, longer)).headers.get("x-isobar-cache") === "hit");
		for (const options of [
			{ policy: { regions: ["m", "strong"] } },
			{ policy: { price_ceiling_usd: 1 } },
			{ default_max_tokens: 5 },
		]) {
			const other = await gateway.createKey(options);
			const answer = await send(prompt, longer, other);
			expect(answer.headers.get("x-isobar-cache"), JSON.stringify(options)).toBe("miss");
			await answer.text();
		}
		const regions = ["m", "strong", "none"];
		expect((await send(prompt, { ...longer, isobar: { regions } })).headers.get("x-isobar-cache")).toBe("miss");
	});

	test("is not asked for what a pool might read otherwise than we, nor for long bodies", async () => {
		const prompt = fresh();
		const plain = JSON.stringify(body(prompt));
		for (const text of [
			// A line break that is not escaped: no JSON, but pools may take it.
			plain.replace(prompt, `${prompt}\n`),
			plain.replace('"temperature":0', '"temperature":0,"top_p":1,"top_p":0.5'),
			JSON.stringify(body(`${prompt}${"x".repeat(1_000_000)}`)),
		]) {
			expect((await gateway.post("/chat/completions", text)).headers.get("x-isobar-cache")).toBeNull();
		}
	});

	test("identical requests at once call the pool once", async () => {
		const prompt = fresh();
		pool.behave({ faults: [] });
		const answers = await Promise.all(Array.from({ length: 6 }, () => send(prompt)));
		const texts = await Promise.all(answers.map((answer) => answer.text()));
		expect(new Set(texts).size).toBe(1);
		expect(pool.state().requests).toBe(1);
		const states = answers.map((answer) => answer.headers.get("x-isobar-cache"));
		expect(states.filter((state) => state === "miss")).toHaveLength(1);
		expect(states.every((state) => ["miss", "joined", "hit"].includes(state ?? ""))).toBe(true);
	});

	test("when the first of them fails, or leaves, the next is sent", async () => {
		pool.behave({ faults: [{ kind: "hang", at: "headers" }] });
		const prompt = fresh();
		const client = await rawPost(`${gateway.baseURL}/chat/completions`, gateway.key, JSON.stringify(body(prompt)));
		await until("it to be called", () => pool.state().requests === 1);
		const waiting = [send(prompt), send(prompt)];
		await new Promise((resolve) => setTimeout(resolve, 100));
		pool.behave({ faults: [] });
		client.resetAndDestroy();
		const texts = await Promise.all(waiting.map(async (answer) => (await answer).text()));
		expect(texts[0]).toBe(texts[1]);
		expect(pool.state().requests).toBe(2);
	});

	test("hits and rules count as requests of the minute, and against no other limit", async () => {
		const key = await gateway.createKey({
			limits: { requests_per_minute: 6, tokens_per_minute: 5_000, concurrency: 1 },
		});
		const prompt = fresh();
		await (await send(prompt, {}, key)).text();
		const hit = await until("a hit", async () => {
			const answer = await send(prompt);
			return answer.headers.get("x-isobar-cache") === "hit" && answer.text();
		});
		const statuses: number[] = [];
		for (let i = 0; i < 8; i++) {
			const answer = i % 2 === 0 ? await send(prompt, {}, key) : await send("hello", { model: "auto:ruled" }, key);
			statuses.push(answer.status);
			if (answer.status === 200) {
				if (i % 2 === 0) expect(await answer.text()).toBe(hit);
				else expect(answer.headers.get("x-isobar-rule")).toBe("hello");
				continue;
			}
			expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
			expect(await errorOf(answer)).toMatchObject({ code: "rate_limited", details: { limit: "requests_per_minute" } });
		}
		expect(statuses.filter((status) => status === 200)).toHaveLength(5);
		expect(statuses.slice(5)).toEqual([429, 429, 429]);
	});

	test("an error is not kept", async () => {
		const prompt = fresh();
		for (const name of ["m/a", "strong/a"])
			gateway.simulator.replica(name).behave({ faults: [{ kind: "status", status: 500 }] });
		expect((await send(prompt)).status).toBeGreaterThanOrEqual(500);
		for (const name of ["m/a", "strong/a"]) gateway.simulator.replica(name).reset();
		const answer = await until("the replicas to be tried again", async () => {
			const tried = await send(prompt);
			return tried.status === 200 && tried;
		});
		expect(answer.headers.get("x-isobar-cache")).toBe("miss");
	});
});

describe("a router's rules", () => {
	test("answer for nothing, plain and as a stream", async () => {
		const ruled = await openai.chat.completions.create(
			body("  Good  MORNING! ", { model: "auto:ruled" }) as OpenAI.ChatCompletionCreateParamsNonStreaming,
		);
		expect(ruled.choices[0]!.message.content).toBe("Good day!");
		const stream = await openai.chat.completions.create({
			...(body("hello", { model: "auto:ruled" }) as OpenAI.ChatCompletionCreateParamsNonStreaming),
			stream: true,
		});
		let text = "";
		for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
		expect(text).toBe("Good day!");
		const answer = await send("hello", { model: "auto:ruled" });
		expect(answer.headers.get("x-isobar-rule")).toBe("hello");
		expect(await recordOf(answer)).toMatchObject({
			rule: "hello",
			cost_nano_usd: 0,
			route: { rule: { id: "hello", score: 0, chosen: true } },
		});
		expect(pool.state().requests).toBe(0);
	});

	test("refuse in the API's own field", async () => {
		const answer = await send("what is the password of root?", { model: "auto:ruled", n: 2 });
		const { choices } = (await answer.json()) as OpenAI.ChatCompletion;
		expect(choices).toHaveLength(2);
		expect(choices[0]!.message).toMatchObject({ content: null, refusal: "That is not told here." });
		const completion = await gateway.post("/completions", {
			model: "auto:ruled",
			prompt: "what is the password of root?",
			best_of: 3,
			n: 2,
		});
		const completed = (await completion.json()) as OpenAI.Completion;
		expect(completed.choices).toHaveLength(2);
		expect(completed.choices[0]).toMatchObject({
			text: "That is not told here.",
			finish_reason: "content_filter",
		});
	});

	test("do not answer what does not meet them", async () => {
		const answer = await send(`${MARK}: hello, what is new?`, { model: "auto:ruled" });
		expect(answer.headers.get("x-isobar-rule")).toBeNull();
		expect(answer.headers.get("x-isobar-model")).toBe("m");
	});
});
