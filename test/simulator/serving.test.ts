import type OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { chat, eventsOf, MODEL, post, startReplica, until } from "./testing.ts";

const LONG = "All work and no play makes Jack a dull boy. ".repeat(40);

async function usageOf(response: Promise<Response>): Promise<OpenAI.CompletionUsage> {
	return ((await (await response).json()) as OpenAI.ChatCompletion).usage!;
}

describe("an engine behind HTTP", () => {
	it("answers as a replica without delays does, plain and streamed", async () => {
		const timed = await startReplica({ speed: 1_000 });
		const instant = await startReplica();
		const withoutTimes = (text: string) => text.replaceAll(/"(?:id|created)":[^,]+,/g, "");
		for (const extra of [{}, { n: 2, max_tokens: 9 }, { stop: "simul" }, { sim: { reasoning_tokens: 3 } }]) {
			const [a, b] = await Promise.all([timed, instant].map(async (each) => (await chat(each, extra)).text()));
			expect(withoutTimes(a!)).toBe(withoutTimes(b!));
			const events = await Promise.all(
				[timed, instant].map(async (each) => eventsOf(await chat(each, { ...extra, stream: true }))),
			);
			expect(events[0]!.map(withoutTimes)).toEqual(events[1]!.map(withoutTimes));
		}
		expect(timed.state()).toMatchObject({ running: 0, waiting: 0, kvUsage: 0, inFlight: 0, requests: 8, aborted: 0 });
	});

	it("reports cached tokens of a repeated prefix, and of the answer that comes back with the next turn", async () => {
		const replica = await startReplica({ speed: 1_000 });
		const ask = (messages: object[], extra: object = {}) =>
			post(replica, "/v1/chat/completions", { model: MODEL, messages, max_tokens: 64, ignore_eos: true, ...extra });
		const first = { role: "user", content: LONG };
		const answer = (await (await ask([first])).json()) as OpenAI.ChatCompletion;
		expect(answer.usage!.prompt_tokens_details).toBeNull();
		const again = await usageOf(ask([first]));
		expect(again.prompt_tokens_details!.cached_tokens).toBe(16 * Math.floor((again.prompt_tokens - 1) / 16));
		const turn = await usageOf(ask([first, answer.choices[0]!.message, { role: "user", content: "Go on." }]));
		expect(turn.prompt_tokens_details!.cached_tokens).toBeGreaterThanOrEqual(again.prompt_tokens + 64 - 17);
		const twins = await usageOf(ask([{ role: "user", content: `New. ${LONG}` }], { n: 2 }));
		expect(twins.prompt_tokens_details).toBeNull();
		const salted = await usageOf(ask([first], { cache_salt: "tenant" }));
		expect(salted.prompt_tokens_details).toBeNull();
		await fetch(`${replica.url}/reset_prefix_cache`, { method: "POST" });
		expect((await usageOf(ask([first]))).prompt_tokens_details).toBeNull();
		expect(replica.state().cachedTokens).toBeGreaterThan(0);
	});

	it("does not report them unless it is told to, as vLLM without --enable-prompt-tokens-details", async () => {
		const replica = await startReplica({ speed: 1_000, reportCachedTokens: false });
		expect((await usageOf(chat(replica))).prompt_tokens_details).toBeNull();
	});

	it("sends the headers of a stream before the first token", async () => {
		const replica = await startReplica({ speed: 1, profile: { stepSeconds: 1_000 } });
		const leaver = new AbortController();
		const response = await chat(replica, { stream: true }, leaver.signal);
		expect(response.status).toBe(200);
		expect(replica.state()).toMatchObject({ running: 1, inFlight: 1 });
		leaver.abort();
	});

	it("lets requests wait beyond its limit, and frees the place of a client that leaves", async () => {
		const replica = await startReplica({ speed: 1, maxConcurrency: 1, profile: { stepSeconds: 1_000 } });
		const leavers = [new AbortController(), new AbortController(), new AbortController()];
		const answers = leavers.map(async ({ signal }, i) => chat(replica, { stream: i === 1 }, signal).catch(() => null));
		await until(() => replica.state().waiting === 2);
		expect(replica.state()).toMatchObject({ running: 1, inFlight: 3 });
		const text = await (await fetch(`${replica.url}/metrics`)).text();
		expect(text).toMatch(/^vllm:num_requests_running\{.*\} 1$/m);
		expect(text).toMatch(/^vllm:num_requests_waiting\{.*\} 2$/m);
		expect(replica.state().kvUsage).toBeGreaterThan(0);
		for (const leaver of leavers) leaver.abort();
		await until(() => replica.state().inFlight === 0);
		expect(replica.state()).toMatchObject({ running: 0, waiting: 0, kvUsage: 0, aborted: 3, inFlightMax: 3 });
		await Promise.all(answers);
	});

	it("queues prompts when its KV memory is full", async () => {
		const replica = await startReplica({ speed: 1, kvTokens: 1_024, profile: { prefillTokensPerSecond: 1e6 } });
		const leaver = new AbortController();
		const answers = [1, 2, 3].map(async (seed) =>
			chat(
				replica,
				{ messages: [{ role: "user", content: seed + LONG }], max_tokens: 500, ignore_eos: true },
				leaver.signal,
			).catch(() => null),
		);
		await until(() => replica.state().running === 2 && replica.state().waiting === 1);
		expect((await chat(replica, { max_tokens: 1_024 })).status).toBe(400);
		leaver.abort();
		await Promise.all(answers);
	});

	it("serves embeddings by prefill alone", async () => {
		const replica = await startReplica({ speed: 1_000 });
		const answer = await post(replica, "/v1/embeddings", { model: MODEL, input: ["abcd", "efgh"] });
		expect(await answer.json()).toMatchObject({ usage: { prompt_tokens: 4, completion_tokens: 0 } });
		expect(replica.state()).toMatchObject({ promptTokens: 4, generatedTokens: 0 });
	});

	it("serves hundreds at once", async () => {
		const replica = await startReplica({ speed: 1_000 });
		const answers = await Promise.all(
			Array.from({ length: 300 }, (_, seed) => chat(replica, { seed, max_tokens: 40 })),
		);
		expect(answers.every(({ status }) => status === 200)).toBe(true);
		await Promise.all(answers.map((answer) => answer.text()));
		expect(replica.state()).toMatchObject({ requests: 300, running: 0, waiting: 0 });
	});
});

describe("what arrived", () => {
	it("can be looked at, unknown fields and headers included, up to the limit", async () => {
		const replica = await startReplica({ recordRequests: 2 });
		for (const i of [1, 2, 3])
			await post(replica, "/v1/chat/completions?x=1", `{"messages":[{"role":"user","content":"${i}"}],  "odd": ${i}}`, {
				headers: { "x-odd": `${i}` },
			});
		const requests = replica.lastRequests();
		expect(requests.map(({ body }) => body)).toEqual([
			`{"messages":[{"role":"user","content":"2"}],  "odd": 2}`,
			`{"messages":[{"role":"user","content":"3"}],  "odd": 3}`,
		]);
		expect(requests[1]).toMatchObject({ method: "POST", path: "/v1/chat/completions?x=1", headers: { "x-odd": "3" } });
		replica.reset();
		expect(replica.lastRequests()).toEqual([]);
		expect(replica.state().requests).toBe(0);
	});
});
