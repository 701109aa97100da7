import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { complete } from "../../functions/route/complete.ts";
import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import { routeIn } from "../../src/shared/ledger/records.ts";
import type { RouterState } from "../../src/shared/router/messages.ts";
import { admin } from "./admin-support.ts";

interface Sent {
	readonly model: string;
	readonly stream?: boolean;
	readonly n?: number;
	readonly messages: readonly { readonly content: string }[];
}

/** What the pools were sent, and what they answer by model. */
let sent: Sent[] = [];
let answers: Record<string, (body: Sent) => string> = {};
let tenants = 0;
let tenant = "";
let key = "";

beforeAll(async () => {
	const models = ["first", "second", "judge"];
	const put = await admin("PUT", "/admin/catalog", {
		models: models.map((id) => ({ id, context_length: 8_192, capabilities: ["chat"], parameters_billion: 8 })),
		pools: models.map((id) => ({
			id,
			model: id,
			engine: "openai",
			place: { provider: "x", region: "eu" },
			price: { per: "million_tokens", input: 1, output: 1 },
			replicas: [{ id: "a", url: `https://${id}.test` }],
		})),
		routers: [
			{
				id: "default",
				models: ["first", "second"],
				incumbent: "first",
				shadow: { share: 0.02, budget_usd_per_day: 0.001 },
				judge: "judge",
			},
			{
				id: "poor",
				models: ["first", "second"],
				incumbent: "first",
				shadow: { share: 0.02, budget_usd_per_day: 1e-6 },
			},
			{ id: "plain", models: ["first", "second"], incumbent: "first" },
		],
	});
	expect(put.status).toBe(200);
});

beforeEach(async () => {
	tenant = `shadow-${tenants++}`;
	key = (await admin("POST", "/admin/keys", { tenant })).body.key;
	sent = [];
	answers = {
		first: () => "one",
		second: () => "two",
		// Whoever says "one" is right, in whichever order they are shown.
		judge: ({ messages }) => {
			const { content } = messages[1]!;
			const isFirst = content.indexOf("\none\n") < content.indexOf("\ntwo\n");
			return `Here: {"first": ${isFirst ? 0.9 : 0.2}, "second": ${isFirst ? 0.2 : 0.9}}`;
		},
	};
	vi.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
		const body = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array)) as Sent;
		sent.push(body);
		if (!answers[body.model]) return Response.json({ error: { message: "no" } }, { status: 400 });
		if (body.stream) return streamOf(answers[body.model]!(body));
		const usage = { prompt_tokens: 10, completion_tokens: 5 };
		const message = { role: "assistant", content: answers[body.model]!(body) };
		return Response.json({ choices: [{ index: 0, message, finish_reason: "stop" }], usage });
	});
	// Every chance falls to the lowest: the pair is drawn, and its answers are shown in the other order.
	vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => vi.restoreAllMocks());

function streamOf(text: string): Response {
	const events = [
		{ delta: { content: text.slice(0, 1) } },
		{ delta: { content: text.slice(1) } },
		{ delta: {}, finish_reason: "stop" },
	];
	const lines = events.map((choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`);
	return new Response(`${lines.join("")}data: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } });
}

/** Sends a prompt, and waits until everything behind the answer is done. */
async function send(model: string, more: object = {}, bindings: Env = env): Promise<{ id: string; text: string }> {
	const body = { model, max_tokens: 20, messages: [{ role: "user", content: "which?" }], ...more };
	const ctx = createExecutionContext();
	const http = new Request("https://gateway.test/v1/chat/completions", {
		method: "POST",
		body: JSON.stringify(body),
		headers: { authorization: `Bearer ${key}` },
	});
	const response = await complete("chat", http, bindings, ctx);
	const text = await response.text();
	await waitOnExecutionContext(ctx);
	return { id: response.headers.get("x-isobar-request-id")!, text };
}

const state = async (router = "default"): Promise<RouterState> =>
	(await admin("GET", `/admin/routers/${router}?tenant=${tenant}`)).body as unknown as RouterState;
const recordOf = async (id: string): Promise<RequestRecord> => (await env.LEDGER.getByName(tenant).request(id))!;

describe("a shadow pair", () => {
	test("is two requests and a verdict, which the client sees nothing of", async () => {
		const { id, text } = await send("auto", { temperature: 0.3 });
		expect(JSON.parse(text).choices[0].message.content).toBe("one");
		expect(sent.map(({ model }) => model)).toEqual(["first", "second", "judge"]);
		expect(sent[1]).toMatchObject({ temperature: 0.3, max_tokens: 20, messages: [{ content: "which?" }] });
		const parent = routeIn(await recordOf(id))!;
		const second = await recordOf(parent.shadow!);
		expect(second).toMatchObject({ model: "second", status: 200, cost_nano_usd: 15_000 });
		expect(routeIn(second)).toMatchObject({ router: "default", shadow_of: id, propensity: 1, prompt: parent.prompt });
		const found = await state();
		const [everywhere] = found.domains;
		expect(everywhere!.models).toMatchObject([
			{ model: "first", paired: 1, mean: expect.closeTo(0.9, 9) },
			{ model: "second", paired: 1, mean: expect.closeTo(0.2, 9) },
		]);
		expect(everywhere!.models[0]!.evidence).toBeCloseTo(0.3, 5);
		expect(everywhere!.models[0]!.strength).toBeGreaterThan(everywhere!.models[1]!.strength);
		expect(found.shadow).toMatchObject({ spent_usd: 30e-6, held_usd: 0 });
	});

	test("takes none of the requests, tokens or places of its key, and is bound by its budget", async () => {
		const limits = { requests_per_minute: 2, tokens_per_minute: 500, concurrency: 1 };
		key = (await admin("POST", "/admin/keys", { tenant, limits, budget: { day_usd: 1 } })).body.key;
		for (let n = 0; n < 2; n++) await send("auto");
		expect(sent.map(({ model }) => model)).toEqual(["first", "second", "judge", "first", "second", "judge"]);
		expect(JSON.parse((await send("auto")).text).error.code).toBe("rate_limited");
		// The judge's prompt is long: what it may cost is more than the day's budget.
		key = (await admin("POST", "/admin/keys", { tenant, limits: {}, budget: { day_usd: 0.000_15 } })).body.key;
		sent = [];
		const { id } = await send("auto");
		expect(sent.map(({ model }) => model)).not.toContain("judge");
		expect((await recordOf(id)).status).toBe(200);
	});

	test("leaves a client's stream as it is, and hears what it says", async () => {
		const { text } = await send("auto", { stream: true });
		expect(text).toMatch(/"delta":\{"content":"o"\}.*"delta":\{"content":"ne"\}.*\[DONE\]/s);
		expect(sent.map(({ stream }) => stream ?? false)).toEqual([true, false, false]);
		expect((await state()).domains[0]!.models).toMatchObject([
			{ model: "first", mean: expect.closeTo(0.9, 9) },
			{ model: "second" },
		]);
	});

	test("holds no answer anywhere", async () => {
		answers.first = () => "one\nthe-first-answer";
		answers.second = () => "two\nthe-second-answer";
		const { id } = await send("auto");
		const parent = await recordOf(id);
		const stored = JSON.stringify([parent, await recordOf(routeIn(parent)!.shadow!), await state()]);
		expect(stored).not.toMatch(/the-first-answer|the-second-answer|which\?/);
	});

	test("is compared by a client's word where the judge says nothing that can be read", async () => {
		answers.judge = () => "both are nice";
		const { id } = await send("auto");
		expect((await state()).domains[0]!.models.every(({ paired }) => paired === 0)).toBe(true);
		const tell = (request: string, score: number) => {
			const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
			return feedback({ request_id: request, score }, headers);
		};
		expect((await tell(id, 1)).status).toBe(200);
		expect((await tell(routeIn(await recordOf(id))!.shadow!, 0)).status).toBe(200);
		expect((await state()).domains[0]!.models).toMatchObject([
			{ model: "first", paired: 1, mean: 1, evidence: expect.closeTo(1, 5) },
			{ model: "second", paired: 1, mean: 0 },
		]);
	});

	test("is none where the second model refuses", async () => {
		// A refusal: a failure would put the replica aside for the tests that follow.
		delete answers.second;
		await send("auto");
		expect(sent.some(({ model }) => model === "judge")).toBe(false);
		expect((await state()).domains[0]!.models.every(({ paired }) => paired === 0)).toBe(true);
	});
});

async function feedback(body: object, headers: Record<string, string>, bindings: Env = env): Promise<Response> {
	const { takeFeedback } = await import("../../functions/route/feedback/index.ts");
	const ctx = createExecutionContext();
	const http = new Request("https://gateway.test/v1/feedback", { method: "POST", body: JSON.stringify(body), headers });
	const response = await takeFeedback(http, bindings, ctx);
	await waitOnExecutionContext(ctx);
	return response;
}

describe("no shadow request is sent", () => {
	test("by a router that has none, nor when it was not drawn", async () => {
		await send("auto:plain");
		vi.mocked(Math.random).mockReturnValue(0.02);
		await send("auto");
		expect(sent.map(({ model }) => model)).toEqual(["first", "first"]);
	});

	test("over the day's budget, and money that was not needed comes back to it", async () => {
		const { id } = await send("auto:poor");
		expect(sent.map(({ model }) => model)).toEqual(["first"]);
		expect(await env.LEDGER.getByName(tenant).request(routeIn(await recordOf(id))!.shadow!)).toBeNull();
		expect((await state("poor")).shadow).toMatchObject({ spent_usd: 0, held_usd: 0 });
		for (let n = 0; n < 8; n++) await send("auto");
		const count = (model: string) => sent.filter((each) => each.model === model).length;
		// At their worst eight pairs would cost more than the day's tenth of a cent; the verdict, whose prompt is long, is the first
		// that does not fit into what is left.
		expect(count("second")).toBe(8);
		expect(count("judge")).toBeLessThan(8);
		expect(count("judge")).toBeGreaterThan(0);
		const { spent_usd, held_usd } = (await state()).shadow;
		expect(spent_usd).toBeCloseTo(15e-6 * (8 + count("judge")), 12);
		expect(held_usd).toBe(0);
	});

	test("where the client limits calls, or wants several answers", async () => {
		await send("auto", { isobar: { route: { max_calls: 1 } } });
		await send("auto", { n: 2 });
		expect(sent.map(({ model }) => model)).toEqual(["first", "first"]);
	});

	test("of a shadow request", async () => {
		await send("auto");
		expect(sent).toHaveLength(3);
	});
});

describe("a router object that is away", () => {
	const away: Env = Object.defineProperties(
		{ ...env },
		Object.getOwnPropertyDescriptors({
			ROUTER: {
				getByName: () => ({
					view: () => Promise.reject(new Error("away")),
					tell: () => Promise.reject(new Error("away")),
					shadow: () => Promise.reject(new Error("away")),
				}),
			},
		}),
	);

	test("holds up no answer, sends nothing beside it, and feedback is asked to come again", async () => {
		vi.spyOn(console, "warn").mockImplementation(() => {});
		const { id, text } = await send("auto", {}, away);
		expect(JSON.parse(text).choices[0].message.content).toBe("one");
		expect(sent.map(({ model }) => model)).toEqual(["first"]);
		const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
		const answer = await feedback({ request_id: id, score: 1 }, headers, away);
		expect(answer.status).toBe(503);
		expect(answer.headers.get("retry-after")).toBe("2");
		expect(await answer.json()).toMatchObject({ error: { code: "router_unavailable" } });
	});
});
