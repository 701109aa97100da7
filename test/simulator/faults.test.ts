import OpenAI from "openai";
import { beforeEach, describe, expect, it } from "vitest";
import { FaultDraw, type FaultRule } from "./faults.ts";
import { seeded } from "./random.ts";
import { chat, eventsOf, MODEL, startReplica, until } from "./testing.ts";

/** Without delays, and with: both must fail alike. */
const replicas = [await startReplica(), await startReplica({ speed: 1_000 })];

beforeEach(() => {
	for (const replica of replicas) replica.reset();
});

describe("rules", () => {
	it("apply to so many requests, with a probability, at a path", () => {
		const draw = new FaultDraw(seeded(1));
		const path = "/v1/chat/completions";
		draw.set([
			{ kind: "garbage", times: 2 },
			{ kind: "no_usage", path: "/v1" },
		]);
		expect(draw.draw("/health")).toBeNull();
		expect(Object.keys(draw.draw(path)!)).toEqual(["garbage", "no_usage"]);
		expect(draw.rules[0]).toMatchObject({ times: 1 });
		draw.draw(path);
		expect(Object.keys(draw.draw(path)!)).toEqual(["no_usage"]);
		draw.set([{ kind: "cut_body", probability: 0.3 }]);
		const met = Array.from({ length: 1_000 }, () => draw.draw(path)).filter(Boolean).length;
		// Three standard deviations around the mean of the binomial.
		expect(Math.abs(met - 300)).toBeLessThan(44);
	});
});

describe.each(replicas.map((replica, i) => [["without delays", "with delays"][i]!, replica] as const))(
	"%s",
	(_, replica) => {
		const behave = (...faults: readonly FaultRule[]) => replica.behave({ faults });

		it("answers with a status and Retry-After for the next requests, then normally", async () => {
			behave({ kind: "status", status: 429, retryAfter: 7, times: 1 }, { kind: "status", status: 503, times: 1 });
			const first = await chat(replica);
			expect([first.status, first.headers.get("retry-after")]).toEqual([429, "7"]);
			expect(await first.json()).toMatchObject({ error: { code: 429, type: "RateLimitError" } });
			const second = await chat(replica);
			expect([second.status, second.headers.get("retry-after")]).toEqual([503, null]);
			expect((await chat(replica)).status).toBe(200);
		});

		it("fails probes only when a rule names them", async () => {
			behave({ kind: "status", status: 500, path: "/health" });
			expect((await fetch(`${replica.url}/health`)).status).toBe(500);
			expect((await chat(replica)).status).toBe(200);
		});

		it("hangs before the headers, and notices that the client left", async () => {
			behave({ kind: "hang", at: "headers" });
			const leaver = new AbortController();
			const answer = chat(replica, {}, leaver.signal).catch(() => "left");
			await until(() => replica.state().inFlight === 1);
			leaver.abort();
			expect(await answer).toBe("left");
			await until(() => replica.state().inFlight === 0);
			expect(replica.state().aborted).toBe(1);
		});

		it("hangs after the headers", async () => {
			behave({ kind: "hang", at: "body" });
			for (const stream of [false, true]) {
				const leaver = new AbortController();
				const answer = await chat(replica, { stream }, leaver.signal);
				expect(answer.status).toBe(200);
				leaver.abort();
				await expect(answer.text()).rejects.toThrow();
			}
			await until(() => replica.state().inFlight === 0);
		});

		it("hangs in the middle of a stream", async () => {
			behave({ kind: "hang", at: "events", afterEvents: 3 });
			const leaver = new AbortController();
			const answer = await chat(replica, { stream: true }, leaver.signal);
			let text = "";
			const reading = (async () => {
				for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) text += chunk;
			})().catch(() => "left");
			await until(() => text.split("\n\n").length === 4);
			leaver.abort();
			expect(await reading).toBe("left");
			await until(() => replica.state().inFlight === 0);
		});

		it("cuts a stream between events or within one", async () => {
			for (const midEvent of [false, true]) {
				behave({ kind: "cut_stream", afterEvents: 3, midEvent });
				const answer = await chat(replica, { stream: true });
				let text = "";
				await expect(
					(async () => {
						for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) text += chunk;
					})(),
				).rejects.toThrow();
				const events = text.split("\n\n");
				expect(events).toHaveLength(4);
				expect(events[3]!.startsWith('data: {"id"')).toBe(midEvent);
				expect(text).not.toContain("[DONE]");
			}
			await until(() => replica.state().inFlight === 0);
			expect(replica.state()).toMatchObject({ aborted: 0, running: 0 });
		});

		it("cuts a plain body", async () => {
			behave({ kind: "cut_body" });
			const answer = await chat(replica);
			expect(Number(answer.headers.get("content-length"))).toBeGreaterThan(100);
			await expect(answer.text()).rejects.toThrow();
		});

		it("answers garbage, and with another content type", async () => {
			behave({ kind: "garbage" });
			const plain = await chat(replica);
			expect([plain.status, plain.headers.get("content-type")]).toEqual([200, "application/json"]);
			const text = await plain.text();
			expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
			for (const event of await eventsOf(await chat(replica, { stream: true })))
				expect(() => JSON.parse(event) as unknown).toThrow(SyntaxError);
			behave({ kind: "content_type", contentType: "text/html" });
			for (const stream of [false, true])
				expect((await chat(replica, { stream })).headers.get("content-type")).toBe("text/html");
		});

		it("leaves out usage and [DONE]", async () => {
			behave({ kind: "no_usage" }, { kind: "no_done" });
			expect(await (await chat(replica)).json()).not.toHaveProperty("usage");
			const asked = { stream: true, max_tokens: 3, stream_options: { include_usage: true } };
			const events = await eventsOf(await chat(replica, asked));
			expect(events).toHaveLength(4);
			expect(events.join("")).not.toMatch(/usage|DONE/);
		});

		it("sends comments before the first event, which the SDK skips", async () => {
			behave({ kind: "heartbeat", everySeconds: 0.005 });
			const text = await (await chat(replica, { stream: true })).text();
			expect(text).toMatch(/^(: heartbeat\n\n)+data: /);
			expect(text.lastIndexOf("heartbeat")).toBeLessThan(text.indexOf("data: "));
			const client = new OpenAI({ baseURL: `${replica.url}/v1`, apiKey: "none" });
			const stream = client.chat.completions.stream({ model: MODEL, messages: [{ role: "user", content: "hi" }] });
			expect((await stream.finalChatCompletion()).choices).toHaveLength(1);
		});
	},
);

it("slows an engine down by a factor, at run time", async () => {
	const replica = await startReplica({ speed: 1_000, profile: { stepSeconds: 1, prefillTokensPerSecond: 1e6 } });
	const seconds = async () => {
		replica.reset();
		replica.behave({ slow: slowness });
		await (await chat(replica, { max_tokens: 1 })).text();
		const text = await (await fetch(`${replica.url}/metrics`)).text();
		return Number(/^vllm:time_to_first_token_seconds_sum\{.*\} (.*)$/m.exec(text)?.[1]);
	};
	let slowness = 1;
	const normal = await seconds();
	slowness = 20;
	expect(await seconds()).toBeCloseTo(20 * normal, 6);
});
