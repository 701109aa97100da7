import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { FOREIGN } from "../support/router-weights.ts";
import { ARITHMETIC, PROSE, startRouterGateway } from "./helpers/router-gateway.ts";
import { errorOf } from "./helpers/test-gateway.ts";

const gateway = await startRouterGateway();
const { ask, routed } = gateway;
const openai = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key, maxRetries: 0 });
const modelOf = (answer: Response): string | null => answer.headers.get("x-isobar-model");
const user = (content: string) => [{ role: "user" as const, content }];

describe("auto", () => {
	test("sends what the cheap model can do to it, and the rest to the strong one", async () => {
		const [prose, sum] = await Promise.all([ask("auto", PROSE), ask("auto", ARITHMETIC)]);
		expect([modelOf(prose), modelOf(sum)]).toEqual(["small", "strong"]);
		expect(prose.headers.get("x-isobar-router")).toBe("default");
		expect(Number(prose.headers.get("x-isobar-expected-quality"))).toBeGreaterThan(0.8);
		expect(prose.status).toBe(200);
		await Promise.all([prose.text(), sum.text()]);
	});

	test("gives the pool its own name for the model, and nothing of the routing", async () => {
		for (const model of ["auto", "auto:default", ["small", "weak"]]) {
			await (await ask(model, PROSE, { quality_usd: 0.05 })).text();
			const { body, headers } = gateway.simulator.replica("small/a").lastRequests().at(-1)!;
			expect(JSON.parse(body)).toMatchObject({ model: "small-upstream", messages: user(PROSE) });
			expect(JSON.parse(body)).not.toHaveProperty("isobar");
			expect(Object.keys(headers).filter((name) => name.startsWith("x-isobar-"))).toEqual(["x-isobar-hops"]);
		}
	});

	test("answers the OpenAI SDK, plainly and as a stream, chats and completions", async () => {
		const plain = await openai.chat.completions.create({ model: "auto", messages: user(PROSE) });
		expect(plain.choices[0]!.message.content).toBeTruthy();
		const stream = await openai.chat.completions.create({ model: "auto", messages: user(ARITHMETIC), stream: true });
		let text = "";
		for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
		expect(text).toBeTruthy();
		const { data, response } = await openai.completions.create({ model: "auto", prompt: ARITHMETIC }).withResponse();
		expect(data.choices[0]!.text).toBeTruthy();
		expect(modelOf(response)).toBe("strong");
	});

	test("puts all that decided into the record", async () => {
		const record = await routed(await ask("auto:default", ARITHMETIC));
		expect(record).toMatchObject({ requested_model: "auto:default", model: "strong", pool: "strong" });
		expect(record.decision!.map(({ replica }) => replica)).toEqual(["strong/a"]);
		const { route } = record;
		expect(route).toMatchObject({
			router: "default",
			mode: "route",
			prompt: expect.stringMatching(/^[0-9a-f]{16}$/),
			weights_version: expect.stringMatching(/^[0-9a-f]{16}$/),
			in_domain: true,
			chosen: "strong",
			reason: "best",
			propensity: 1,
			explored: false,
			rejected: [],
			pareto: expect.arrayContaining(["strong", "small", "weak"]),
		});
		expect(route.domains[0]).toMatchObject({ name: "arithmetic" });
		expect(route.candidates.map(({ model }) => model)[0]).toBe("strong");
		const [strong, small] = ["strong", "small"].map((id) => route.candidates.find(({ model }) => model === id)!);
		expect(strong!.terms.quality).toBe(0);
		expect(small!.terms.quality).toBeCloseTo(0.05 * (strong!.quality - small!.quality), 9);
		expect(small!.usd).toBeLessThan(strong!.usd);
		expect(small).toMatchObject({ pool: "small", shadow: false });
		// The same text has the same hash, and another another.
		expect((await routed(await ask("auto", ARITHMETIC))).route.prompt).toBe(route.prompt);
		expect((await routed(await ask("auto", PROSE))).route.prompt).not.toBe(route.prompt);
	});

	test("reserves what the dearest of the models could cost that may be tried, and settles what it cost", async () => {
		const limits = { max_tokens: 100 };
		const [any, small] = await Promise.all([
			ask("auto", PROSE, undefined, limits),
			ask("small", PROSE, undefined, limits),
		]);
		const [chosen, alone] = [await gateway.record(any), await gateway.record(small)];
		expect(chosen.model).toBe("small");
		// 100 tokens at $60 a million, besides the prompt.
		expect(chosen.reserved_nano_usd).toBeGreaterThan(6_000_000);
		expect(alone.reserved_nano_usd).toBeLessThan(200_000);
		expect(chosen.cost_nano_usd).toBeLessThan(100_000);
	});

	test("is explained in the log without a word of the prompt", async () => {
		const record = await routed(await ask("auto", ARITHMETIC));
		const line = gateway.log.find((each) => each.includes(record.id))!;
		expect(JSON.parse(line)).toMatchObject({
			router: "default",
			route: expect.stringMatching(/^best of 3: quality 0\.9|1\./),
		});
		expect(line).not.toContain("product of 12");
	});
});

describe("a list of models", () => {
	test("is chosen among, by id or alias, and named as a list", async () => {
		const answer = await ask(["weak", "small"], PROSE);
		expect(modelOf(answer)).toBe("small");
		expect(await routed(answer)).toMatchObject({ requested_model: '["weak","small"]', route: { router: "list" } });
	});

	test.each<[string, unknown, string, string]>([
		["of none", [], "invalid_request", "model must be a name or a list that is not empty."],
		["of what is no name", ["small", 5], "invalid_request", "model[1] must be the name of a model."],
		["of routers", ["auto"], "invalid_request", "model[0]: a list names models, and no router."],
		["that is too long", Array.from({ length: 65 }, (_, i) => `m${i}`), "invalid_request", "at most, and lists 65"],
		["with an unknown model", ["small", "strang"], "model_not_found", 'did you mean "strong"?'],
	])("%s is refused", async (_, model, code, message) => {
		expect(await errorOf(await ask(model, PROSE))).toMatchObject({
			code,
			param: "model",
			message: expect.stringContaining(message),
		});
	});
});

describe("routers", () => {
	test("are listed with the models that the key may use", async () => {
		const limited = await gateway.createKey({ allowed_models: ["weak"] });
		const names = async (key: string) =>
			(await new OpenAI({ baseURL: gateway.baseURL, apiKey: key }).models.list()).data;
		expect((await names(gateway.key)).map(({ id }) => id).slice(0, 5)).toEqual([
			"auto",
			"auto:default",
			"auto:safe",
			"auto:open",
			"auto:private",
		]);
		expect((await names(limited))[0]).toMatchObject({ id: "auto", models: ["weak"] });
		expect(await openai.models.retrieve("auto:safe")).toMatchObject({ models: ["strong", "small", "weak"] });
		await expect(openai.models.retrieve("auto:sage")).rejects.toMatchObject({ status: 404, code: "router_not_found" });
	});

	test("that are not there are an error with the nearest", async () => {
		const error = await errorOf(await ask("auto:sae", PROSE));
		expect(error).toMatchObject({ code: "router_not_found", param: "model", details: { nearest: ["safe"] } });
	});

	test("choose only among what the key may use", async () => {
		const key = await gateway.createKey({ allowed_models: ["small", "weak"] });
		const answer = await gateway.post("/chat/completions", { model: "auto", messages: user(ARITHMETIC) }, { key });
		expect(modelOf(answer)).toBe("small");
		const record = (await gateway.record(answer, key)) as Awaited<ReturnType<typeof routed>>;
		expect(record.route.rejected).toEqual([{ model: "strong", rule: "not_allowed" }]);
		const none = await gateway.createKey({ allowed_models: ["unknown"] });
		const refused = await gateway.post("/chat/completions", { model: "auto", messages: user(PROSE) }, { key: none });
		expect(await errorOf(refused)).toMatchObject({ code: "model_not_allowed" });
		const listed = await gateway.post("/chat/completions", { model: ["strong"], messages: user(PROSE) }, { key });
		expect(await errorOf(listed)).toMatchObject({ code: "model_not_allowed" });
	});

	test("leave a prompt that is unlike all others to the incumbent", async () => {
		const record = await routed(await ask("auto:safe", FOREIGN));
		expect(record).toMatchObject({ model: "small", route: { in_domain: false, reason: "incumbent", chosen: "small" } });
		// It is left for what it cannot do, where the weights are sure of that.
		expect((await routed(await ask("auto:safe", ARITHMETIC))).model).toBe("strong");
	});

	test("choose no vectors", async () => {
		const controlled = { model: "small", input: "hello", isobar: { route: { max_usd: 1 } } };
		expect(await errorOf(await gateway.post("/embeddings", controlled))).toMatchObject({ param: "isobar.route" });
		const answer = await gateway.post("/embeddings", { model: "auto", input: "hello" });
		expect(await errorOf(answer)).toMatchObject({ code: "invalid_request", param: "model" });
	});
});

test("an empty prompt, one of 1 MB and one of tokens are answered", async () => {
	for (const content of ["", "a".repeat(1_000_000 / 10)]) expect((await ask("auto", content)).status).toBe(200);
	const tokens = await gateway.post("/completions", { model: "auto", prompt: [1, 2, 3], max_tokens: 5 });
	expect(tokens.status).toBe(200);
	expect(await gateway.record(tokens)).toMatchObject({ route: { router: "default" } });
});

test("the weights are served to nobody", async () => {
	expect((await fetch(`${gateway.isobar.url}/router/default.bin`)).status).toBe(404);
});
