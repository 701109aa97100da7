import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { errorOf, MARK, startTestGateway } from "./helpers/test-gateway.ts";

/** A cheap small model, a dear strong one, one that cannot use tools; and one of which no weights know. */
const FLEET = ["small", "strong", "plain", "unknown"].map((name) => ({ name: `${name}/a`, model: name, speed: 0 }));

function catalog(urls: ReadonlyMap<string, string>): CatalogInput {
	const pools = FLEET.map(({ model }) => poolOf(model, model, urlsOf(urls, model)));
	const price = { strong: 20, small: 0.2, plain: 0.1, unknown: 0.1 };
	return {
		...catalogOf(
			pools.map((pool) => ({
				...pool,
				price: { per: "million_tokens" as const, input: price[pool.id as keyof typeof price], output: 0.4 },
				place: { ...pool.place, privacy: pool.id === "small" ? ("own" as const) : undefined },
			})),
			{
				small: { licence: "Apache-2.0", parameters_billion: 8 },
				strong: { licence: "proprietary", parameters_billion: 400 },
				plain: { capabilities: ["chat", "completions"], context_length: 2_000 },
			},
		),
		routers: [
			{ id: "default", models: ["strong", "small", "plain"], incumbent: "strong" },
			{ id: "open", models: ["small", "plain"], licences: ["Apache-2.0"] },
		],
	};
}

const gateway = await startTestGateway({ replicas: FLEET, catalog });
const openai = new OpenAI({ baseURL: gateway.baseURL, apiKey: gateway.key, maxRetries: 0 });
const messages = [{ role: "user" as const, content: MARK }];

describe("without weights", () => {
	test("the incumbent answers, and the record says why", async () => {
		const answer = await gateway.chat("auto");
		expect(answer.status).toBe(200);
		expect(answer.headers.get("x-isobar-router")).toBe("default");
		expect(answer.headers.get("x-isobar-model")).toBe("strong");
		expect(answer.headers.get("x-isobar-expected-quality")).toBeNull();
		expect(await gateway.record(answer)).toMatchObject({
			requested_model: "auto",
			model: "strong",
			route: {
				router: "default",
				mode: "route",
				unjudged: "weights_unavailable",
				chosen: "strong",
				reason: "incumbent",
			},
		});
	});
});

describe("through the OpenAI SDK", () => {
	test("auto answers plainly and as a stream", async () => {
		const plain = await openai.chat.completions.create({ model: "auto", messages });
		expect(plain.choices[0]!.message.content).toBeTruthy();
		const stream = await openai.chat.completions.create({ model: "auto:open", messages, stream: true });
		let text = "";
		for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
		expect(text).toBeTruthy();
	});

	test("the list of models names the routers", async () => {
		const names = (await openai.models.list()).data.map(({ id }) => id);
		expect(names).toEqual(["auto", "auto:default", "auto:open", "small", "strong", "plain", "unknown"]);
		expect(await openai.models.retrieve("auto:open")).toMatchObject({ id: "auto:open", models: ["small", "plain"] });
	});
});

describe("constraints", () => {
	const refused = async (model: unknown, isobar: object, more: object = {}) => {
		const answer = await gateway.post("/chat/completions", { model, messages, isobar, ...more });
		return { status: answer.status, ...(await errorOf(answer)) };
	};

	test("that nothing meets is named, with the rule that each model breaks", async () => {
		const route = { require: { licences: ["MIT"] } };
		expect(await refused("auto", { route })).toMatchObject({
			status: 400,
			code: "constraint_unmet",
			param: "isobar.route.require.licences",
			details: { constraint: "licence", models: { small: ["licence"], strong: ["licence"] } },
		});
	});
});
