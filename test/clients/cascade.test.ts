import OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import type { RouteExplanation } from "../../src/shared/router/explanation.ts";
import { CASCADE_GATEWAY, NAMES, SAYS, TWINS } from "./helpers/cascade-fleet.ts";
import { errorOf, MARK, startTestGateway, type Answered } from "./helpers/test-gateway.ts";
import { rawPost } from "./helpers/raw-client.ts";
import { until } from "./helpers/until.ts";

const gateway = await startTestGateway(CASCADE_GATEWAY);
const openai = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key, maxRetries: 0 });

const called = (): string[] =>
	NAMES.flatMap((model) =>
		gateway.simulator
			.replica(`${model}/a`)
			.lastRequests()
			.map(() => model),
	);

beforeEach(() => {
	for (const replica of gateway.simulator.replicas) replica.reset();
});

const ask = (what: string, route: object, more: object = {}) =>
	gateway.post("/chat/completions", {
		model: "auto",
		messages: [{ role: "user", content: `${MARK}: the ${what} one` }],
		max_tokens: 64,
		isobar: { route },
		...more,
	});

async function contentOf(response: Response): Promise<string> {
	expect(response.status).toBe(200);
	const body = (await response.json()) as { choices: { message: { content: string } }[] };
	return body.choices[0]!.message.content;
}

type Routed = Answered & { readonly route: RouteExplanation; readonly calls: readonly string[] };
const recordOf = async (of: Response | string) => (await gateway.record(of)) as Routed;

describe("a cascade", () => {
	test("takes what two cheap models agree on, and says what it took", async () => {
		const answer = await ask("easy", { mode: "cascade" });
		expect(await contentOf(answer)).toBe(SAYS["cheap"]!["easy"]);
		expect(called()).toEqual(["cheap", "other"]);
		expect(answer.headers.get("x-isobar-model")).toBe("cheap");
		expect(answer.headers.get("x-isobar-route-calls")).toBe("2");
		expect(answer.headers.get("x-isobar-route-stop")).toBeNull();
		const record = await recordOf(answer);
		expect(record).toMatchObject({
			requested_model: "auto",
			model: "cheap",
			outcome: "ok",
			cost_nano_usd: 0,
			route: { mode: "cascade", chosen: "cheap", course: { why: "agreed", stop: null } },
		});
		const { stages } = record.route.course!;
		expect(stages.map(({ model, role, accepted }) => [model, role, accepted])).toEqual([
			["cheap", "cheap", true],
			["other", "cheap", false],
		]);
		expect(record.calls).toEqual(stages.map(({ id }) => id));
		// Each of the calls is a request of its own that has been paid for, and the header is their sum.
		let nano = 0;
		for (const id of record.calls) {
			const stage = await recordOf(id);
			expect(stage).toMatchObject({ parent: record.id, stage: "cheap", outcome: "ok" });
			expect(stage.cost_nano_usd).toBeGreaterThan(0);
			nano += stage.cost_nano_usd;
		}
		expect(Number(answer.headers.get("x-isobar-route-cost-usd"))).toBeCloseTo(nano / 1e9, 9);
	});

	test("asks the top where they do not agree, through the SDK, plain and streamed", async () => {
		const messages = [{ role: "user" as const, content: `${MARK}: the hard one` }];
		const body = { model: "auto", messages, isobar: { route: { mode: "cascade" } } };
		const plain = await openai.chat.completions.create(body);
		expect(plain.choices[0]!.message.content).toBe(SAYS["strong"]!["hard"]);
		const { data, response } = await openai.chat.completions.create({ ...body, stream: true }).withResponse();
		let text = "";
		for await (const chunk of data) {
			expect(chunk.usage).toBeFalsy();
			text += chunk.choices[0]?.delta.content ?? "";
		}
		expect(text).toBe(SAYS["strong"]!["hard"]);
		expect(response.headers.get("x-isobar-route-calls")).toBe("3");
		expect(await recordOf(response)).toMatchObject({
			model: "strong",
			outcome: "ok",
			route: { course: { why: "top" } },
		});
	});

	test("gives a cheap model's stream byte for byte", async () => {
		const answer = await ask("easy", { mode: "cascade" }, { stream: true, stream_options: { include_usage: true } });
		expect(answer.headers.get("content-type")).toMatch(/^text\/event-stream/);
		const text = await answer.text();
		const direct = await ask("easy", {}, { model: "cheap", stream: true, stream_options: { include_usage: true } });
		const same = (stream: string) => stream.replaceAll(/"(id|created)":("[^"]*"|\d+)/g, "");
		expect(same(text)).toBe(same(await direct.text()));
		expect(text).toMatch(/data: \[DONE\]\n\n$/);
	});

	test("an answer with a fault goes straight to the top", async () => {
		expect(await contentOf(await ask("shy", { mode: "cascade" }))).toBe(SAYS["strong"]!["shy"]);
		const schema = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
		const response_format = { type: "json_schema", json_schema: { name: "n", schema } };
		const json = await ask("json", { mode: "cascade" }, { response_format });
		expect(JSON.parse(await contentOf(json))).toEqual({ n: expect.any(Number) });
	});

	test("a cheap model that is away does not keep the top from answering", async () => {
		gateway.simulator.replica("cheap/a").behave({ faults: [{ kind: "status", status: 500 }] });
		const answer = await ask("hard", { mode: "cascade" });
		expect(await contentOf(answer)).toBe(SAYS["strong"]!["hard"]);
		const { route } = await recordOf(answer);
		expect(route.course!.stages[0]).toMatchObject({ model: "cheap", fault: "failed" });
	});

	test("a top that fails leaves the best cheap answer", async () => {
		gateway.simulator.replica("strong/a").behave({ faults: [{ kind: "status", status: 500 }] });
		for (const stream of [false, true]) {
			const answer = await ask("hard", { mode: "cascade" }, { stream });
			expect(answer.status).toBe(200);
			const deltas = [...(await answer.text()).matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text);
			expect(deltas.join("")).toMatch(/answer is [56]/);
			expect(await recordOf(answer)).toMatchObject({ route: { course: { why: "best_left" } } });
		}
	});

	test("n, tools and logprobs are passed on as the client asked for them", async () => {
		const plain = await ask("easy", { mode: "cascade" }, { n: 2, logprobs: true });
		const { choices } = (await plain.json()) as { choices: { message: object; logprobs: object | null }[] };
		expect(choices).toHaveLength(2);
		expect(choices.every(({ logprobs }) => logprobs)).toBe(true);
		const without = (await (await ask("easy", { mode: "cascade" })).json()) as { choices: { logprobs: unknown }[] };
		expect(without.choices[0]!.logprobs).toBeNull();
		const parameters = { type: "object", required: ["city"], properties: { city: { type: "string" } } };
		const tools = [{ type: "function", function: { name: "weather", parameters } }];
		const call = await ask("easy", { mode: "cascade" }, { tools, tool_choice: "required" });
		const body = (await call.json()) as { choices: { message: { tool_calls: { function: { name: string } }[] } }[] };
		expect(body.choices[0]!.message.tool_calls[0]!.function.name).toBe("weather");
	});

	test("works for completions", async () => {
		const body = { model: "auto", prompt: `${MARK}: the easy one`, isobar: { route: { mode: "cascade" } } };
		const answer = await gateway.post("/completions", body);
		expect(answer.status).toBe(200);
		const { choices } = (await answer.json()) as { choices: { text: string }[] };
		expect(choices[0]!.text).toBe(SAYS["cheap"]!["easy"]);
		expect(answer.headers.get("x-isobar-route-calls")).toBe("2");
	});

	test("the verifier's word decides", async () => {
		const right = await ask("easy", { mode: "cascade" }, { model: "auto:verified" });
		expect(await contentOf(right)).toBe(SAYS["cheap"]!["easy"]);
		const wrong = await ask("hard", { mode: "cascade" }, { model: "auto:verified" });
		expect(await contentOf(wrong)).toBe(SAYS["strong"]!["hard"]);
		const { route } = await recordOf(wrong);
		expect(route.course!.stages.map(({ role }) => role)).toEqual(["cheap", "verifier", "top"]);
	});

	test("several choices are not shown to a verifier, which judges one", async () => {
		for (const more of [{ n: 2 }, { prompt: ["a", "b"].map((part) => `${MARK}: the hard one ${part}`) }]) {
			const isChat = "n" in more;
			const body = { model: "auto:verified", isobar: { route: { mode: "cascade" } }, ...more };
			const messages = [{ role: "user", content: `${MARK}: the hard one` }];
			const answer = isChat
				? await gateway.post("/chat/completions", { ...body, messages })
				: await gateway.post("/completions", body);
			expect(((await answer.json()) as { choices: object[] }).choices).toHaveLength(2);
			const { route } = await recordOf(answer);
			expect(route.course!.stages.map(({ role }) => role)).not.toContain("verifier");
		}
	});

	test("a ladder that costs more than its top is not climbed", async () => {
		const answer = await ask("easy", { mode: "cascade" }, { model: "auto:dear" });
		expect(await contentOf(answer)).toBe(SAYS["other"]!["easy"]);
		expect(called()).toEqual(["other"]);
		const { route } = await recordOf(answer);
		expect(route.course).toMatchObject({ why: "guard" });
		expect(route.course!.guard!.ladder_usd).toBeGreaterThan(route.course!.guard!.top_usd);
	});

	test("whose top alone is asked has the others where the top is away", async () => {
		gateway.simulator.replica("other/a").behave({ faults: [{ kind: "status", status: 500 }] });
		for (const stream of [false, true]) {
			const answer = await ask("easy", { mode: "cascade" }, { model: "auto:dear", stream });
			expect(answer.status).toBe(200);
			expect(answer.headers.get("x-isobar-model")).toBe("strong");
			const deltas = [...(await answer.text()).matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text);
			expect(deltas.join("")).toBe("The answer is 4.");
			const { route } = await recordOf(answer);
			expect(route.course).toMatchObject({ why: "best_left" });
			expect(route.course!.stages.map(({ model, accepted }) => [model, accepted])).toEqual([
				["other", false],
				["strong", true],
			]);
		}
		// A bound of one call is kept, and what that call met is told.
		const bounded = await ask("easy", { mode: "cascade", max_calls: 1 }, { model: "auto:dear" });
		expect(bounded.headers.get("x-isobar-route-calls")).not.toBe("2");
		expect((await errorOf(bounded)).code).toMatch(/upstream|no_healthy/);
	});

	test("without a ladder goes to the next model where the best is away", async () => {
		const key = await gateway.createKey({ allowed_models: ["fourth", "judge"] });
		const body = {
			model: "auto",
			messages: [{ role: "user", content: `${MARK}: the easy one` }],
			isobar: { route: { mode: "cascade" } },
		};
		const first = await gateway.post("/chat/completions", body, { key });
		const best = first.headers.get("x-isobar-model")!;
		await first.text();
		gateway.simulator.replica(`${best}/a`).behave({ faults: [{ kind: "status", status: 500 }] });
		const answer = await gateway.post("/chat/completions", body, { key });
		expect(answer.status).toBe(200);
		expect(answer.headers.get("x-isobar-model")).toBe(best === "fourth" ? "judge" : "fourth");
		await answer.text();
	});
});

describe("a budget", () => {
	test("of calls ends with the best answer so far", async () => {
		const answer = await ask("hard", { mode: "cascade", max_calls: 2 });
		expect(await contentOf(answer)).toMatch(/answer is [56]/);
		expect(answer.headers.get("x-isobar-route-stop")).toBe("calls");
		expect(called()).toEqual(["cheap", "other"]);
	});

	test("that ended it early leaves an answer that is not kept", async () => {
		const more = { messages: [{ role: "user", content: `${MARK}: the hard one, once more` }] };
		const answers = [];
		for (let round = 0; round < 3; round++) {
			const answer = await ask("hard", { mode: "cascade", max_calls: 2, cache: true }, more);
			await answer.text();
			answers.push(answer.headers.get("x-isobar-cache"), answer.headers.get("x-isobar-route-stop"));
		}
		expect(answers).toEqual(["miss", "calls", "miss", "calls", "miss", "calls"]);
	});

	test("of calls counts the retries of all that are under way", async () => {
		const twins = gateway.simulator.replicas.filter(({ name }) => TWINS.some((model) => name.startsWith(model)));
		for (const replica of twins) replica.behave({ faults: [{ kind: "status", status: 500 }] });
		const answer = await ask("hard", { mode: "vote", max_calls: 3 }, { model: "auto:twins" });
		expect(answer.status).toBeGreaterThanOrEqual(400);
		expect(twins.flatMap((replica) => replica.lastRequests())).toHaveLength(3);
	});

	test("of money is checked with the most that a call may cost", async () => {
		// The top alone may cost 64 tokens at $20 a million and more for the prompt; the cheap ones a hundredth of that.
		const answer = await ask("hard", { mode: "vote", max_usd: 0.00002 }, { max_tokens: 64 });
		expect(answer.status).toBe(200);
		expect(answer.headers.get("x-isobar-route-stop")).toBe("budget");
		expect(Number(answer.headers.get("x-isobar-route-cost-usd"))).toBeLessThanOrEqual(0.00002);
	});

	test("of time ends with the best answer so far, and calls off the rest", async () => {
		gateway.simulator.replica("other/a").behave({ faults: [{ kind: "hang", at: "headers" }] });
		const answer = await ask("hard", { mode: "vote", max_seconds: 0.5 });
		expect(answer.status).toBe(200);
		expect(answer.headers.get("x-isobar-route-stop")).toBe("time");
	});
});

describe("a stream", () => {
	test("whose models take long begins with comments, and goes on with the answer", async () => {
		gateway.simulator.replica("other/a").behave({ faults: [{ kind: "hang", at: "headers" }] });
		const route = { mode: "vote", max_seconds: 0.6 };
		const answer = await ask("hard", route, { stream: true, isobar: { route, heartbeats: true } });
		expect(answer.headers.get("x-isobar-record")).toBe(`/v1/requests/${answer.headers.get("x-isobar-request-id")}`);
		const text = await answer.text();
		expect(text).toMatch(/^: waiting\n\n/);
		expect(text).toMatch(/data: \[DONE\]\n\n$/);
		expect(await recordOf(answer)).toMatchObject({ outcome: "ok", route: { course: { stop: "time" } } });
	});
});

describe("a list of models", () => {
	test("is climbed by price where nothing is known of the prompt", async () => {
		const answer = await ask("easy", { mode: "cascade" }, { model: ["strong", "cheap", "other"] });
		expect(await contentOf(answer)).toBe(SAYS["cheap"]!["easy"]);
		expect(answer.headers.get("x-isobar-route-calls")).toBe("2");
		expect(called()).not.toContain("strong");
	});
});

describe("a vote", () => {
	test("stops as soon as two agree", async () => {
		const answer = await ask("easy", { mode: "vote" });
		expect(await contentOf(answer)).toBe(SAYS["cheap"]!["easy"]);
		expect(called()).toEqual(["cheap", "other"]);
		expect(await recordOf(answer)).toMatchObject({ route: { mode: "vote", course: { why: "sure" } } });
	});

	test("asks one after the other where the key may have but one request in flight", async () => {
		const key = await gateway.createKey({ limits: { concurrency: 1 } });
		const body = {
			model: "auto",
			messages: [{ role: "user", content: `${MARK}: the easy one` }],
			isobar: { route: { mode: "vote" } },
		};
		const answer = await gateway.post("/chat/completions", body, { key });
		expect(await contentOf(answer)).toBe(SAYS["cheap"]!["easy"]);
		expect(answer.headers.get("x-isobar-route-calls")).toBe("2");
		expect(called()).toEqual(["cheap", "other"]);
	});

	test("goes on until it is decided", async () => {
		const answer = await ask("hard", { mode: "vote" });
		expect(await contentOf(answer)).toBe(SAYS["other"]!["hard"]);
		expect(called()).toEqual(["cheap", "other", "fourth"]);
	});
});

describe("a client", () => {
	test("that leaves ends every call", async () => {
		for (const model of ["cheap", "other"])
			gateway.simulator.replica(`${model}/a`).behave({ faults: [{ kind: "hang", at: "headers" }] });
		const body = { model: "auto", messages: [{ role: "user", content: MARK }], isobar: { route: { mode: "vote" } } };
		const client = await rawPost(`${gateway.baseURL}/chat/completions`, gateway.key, JSON.stringify(body));
		await until("both to be called", () => called().length === 2);
		client.resetAndDestroy();
		await until("both to be called off", () =>
			["cheap", "other"].every((model) => gateway.simulator.replica(`${model}/a`).state().aborted === 1),
		);
		await until("no call to be open", async () => {
			const states = await Promise.all(["cheap", "other"].map((model) => gateway.fleet(model)));
			return states.every(({ replicas }) => replicas.every(({ in_flight: inFlight }) => inFlight === 0));
		});
	});

	test("whose key may not use the ladder's models gets the best that it may", async () => {
		const key = await gateway.createKey({ allowed_models: ["strong"] });
		const body = {
			model: "auto",
			messages: [{ role: "user", content: `${MARK}: the hard one` }],
			isobar: { route: { mode: "cascade" } },
		};
		const answer = await gateway.post("/chat/completions", body, { key });
		expect(await contentOf(answer)).toBe(SAYS["strong"]!["hard"]);
	});

	test("whose request nobody can answer gets the error of the top", async () => {
		for (const replica of gateway.simulator.replicas) replica.behave({ faults: [{ kind: "status", status: 500 }] });
		const answer = await ask("easy", { mode: "cascade" });
		expect(answer.status).toBeGreaterThanOrEqual(500);
		const { code } = await errorOf(answer);
		expect(code).toMatch(/upstream|no_healthy/);
		expect(await gateway.record(answer)).toMatchObject({ outcome: "failed", error: code });
	});
});
