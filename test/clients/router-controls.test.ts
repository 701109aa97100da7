import { describe, expect, test } from "vitest";
import type { Explained } from "../../src/shared/objective/explain.ts";
import { ARITHMETIC, PROSE, startRouterGateway } from "./helpers/router-gateway.ts";
import { errorOf } from "./helpers/test-gateway.ts";

const gateway = await startRouterGateway();
const { ask, routed } = gateway;

describe("a constraint that nothing meets", () => {
	test.each<[string, object, object]>([
		["licence", { require: { licences: ["MIT"] } }, { param: "isobar.route.require.licences" }],
		["region", { require: { regions: ["moon"] } }, { param: "isobar.route.require.regions" }],
		["context_length", { require: { context_length: 1_000_000 } }, { param: "isobar.route.require.context_length" }],
		["max_usd", { max_usd: 0 }, { param: "isobar.route.max_usd" }],
		["price_ceiling", { require: { price_ceiling_usd: 0 } }, { param: "isobar.route.require.price_ceiling_usd" }],
		["max_seconds", { max_seconds: 0.000_01 }, { param: "isobar.route.max_seconds" }],
	])("is named: %s", async (constraint, route, expected) => {
		const answer = await ask("auto", PROSE, route);
		expect(answer.status).toBe(400);
		const error = await errorOf(answer);
		expect(error).toMatchObject({ code: "constraint_unmet", ...expected, details: { constraint } });
		expect(Object.keys(error.details!["models"] as object).toSorted()).toEqual(["small", "strong", "weak"]);
	});

	test("is the one that a client has to change, where several stand", async () => {
		// Nobody has both; without the licence strong would do, without the zone none.
		const route = { require: { licences: ["MIT"], privacy: "contract", capabilities: ["tools"] } };
		expect((await errorOf(await ask("auto", PROSE, route))).details).toMatchObject({
			constraint: "licence",
			models: { small: ["licence"], strong: ["licence"], weak: ["capability", "privacy", "licence"] },
		});
	});

	test("is named where it was set", async () => {
		const body = { model: "auto", messages: [{ role: "user", content: PROSE }], max_tokens: 5 };
		const header = { "x-isobar-route": JSON.stringify({ max_usd: 0, require: { regions: ["moon"] } }) };
		const both = await gateway.post("/chat/completions", body, { headers: header });
		expect((await errorOf(both)).param).toMatch(/^x-isobar-route\./);
		const own = { ...body, isobar: { route: { max_usd: 1, require: { regions: ["moon"] } } } };
		const error = await errorOf(await gateway.post("/chat/completions", own, { headers: header }));
		expect(error).toMatchObject({ code: "constraint_unmet", param: "isobar.route.require.regions" });
	});

	test("holds for a single model that is named, too", async () => {
		const error = await errorOf(await ask("strong", PROSE, { require: { privacy: "own" } }));
		expect(error).toMatchObject({ code: "constraint_unmet", param: "isobar.route.require.privacy" });
		expect((await ask("small", PROSE, { require: { privacy: "own" } })).status).toBe(200);
	});
});

test("a card that the weights do not have is warned of, in a dry run too", async () => {
	const catalog = await gateway.admin.catalog();
	const models = catalog.models.map((model) => (model.id === "strong" ? { ...model, card: "strnog" } : model));
	const index = models.findIndex(({ id }) => id === "strong");
	const put = async (query: string, body: object) => {
		const answer = await fetch(`${gateway.isobar.url}/admin/catalog${query}`, {
			method: "PUT",
			headers: { authorization: "Bearer test-admin-token", "content-type": "application/json" },
			body: JSON.stringify(body),
		});
		return (await answer.json()) as { warnings: { path: string; message: string }[] };
	};
	const { warnings } = await put("?dry_run=1", { ...catalog, models });
	const [warned] = warnings.filter(({ path }) => path === `models[${index}].card`);
	expect(warned!.message).toContain('did you mean "strong"?');
	expect((await put("", catalog)).warnings.filter(({ path }) => path.endsWith(".card"))).toEqual([]);
});

describe("constraints leave out", () => {
	const rejectedFor = async (route: object, more: object = {}) =>
		(await routed(await ask("auto", PROSE, route, more))).route.rejected;

	test("models that lack what the body needs, or requires", async () => {
		const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
		const expected = [{ model: "weak", rule: "capability" }];
		expect(await rejectedFor({}, { tools })).toEqual(expected);
		expect(await rejectedFor({}, { response_format: { type: "json_object" } })).toEqual(expected);
		expect(await rejectedFor({ require: { capabilities: ["vision"] } })).toEqual(expected);
	});

	test("models whose context is too short for the prompt, or that cost too much", async () => {
		const long = await routed(await ask("auto", PROSE.repeat(800)));
		expect(long.route.rejected).toEqual([{ model: "weak", rule: "context" }]);
		const cheap = await routed(await ask("auto", ARITHMETIC, { require: { price_ceiling_usd: 0.001 } }));
		expect(cheap).toMatchObject({ model: "small", route: { rejected: [{ model: "strong", rule: "price_ceiling" }] } });
		const least = await routed(await ask("auto", ARITHMETIC, { max_usd: 0.001 }, { max_tokens: 200 }));
		expect(least).toMatchObject({ model: "small", route: { rejected: [{ model: "strong", rule: "max_usd" }] } });
	});

	test("pools that the prompt may not go to, also when the scheduler chooses", async () => {
		const record = await routed(await ask("auto", PROSE, { require: { privacy: "own" } }));
		expect(record).toMatchObject({ model: "small", pool: "small" });
		expect(record.route.rejected).toEqual([
			{ model: "strong", rule: "privacy" },
			{ model: "weak", rule: "privacy" },
		]);
		const far = record.decision!.find(({ replica }) => replica === "small-far/a") as Extract<
			Explained,
			{ why: string }
		>;
		expect(far).toMatchObject({ rejected: "privacy", why: expect.stringContaining("zone") });
		// A price for privacy holds the request to the zone that was chosen.
		const priced = await routed(await ask("auto:private", PROSE));
		expect(priced).toMatchObject({ model: "small", pool: "small" });
		expect(priced.decision!.find(({ replica }) => replica === "small-far/a")).toMatchObject({ rejected: "privacy" });
	});

	test("models below the floor, and those of which nothing is known", async () => {
		const record = await routed(await ask("auto:private", PROSE, { quality_floor: 0.9, weights: { privacy: 0 } }));
		expect(record.route.rejected).toEqual([
			{ model: "weak", rule: "quality_floor" },
			{ model: "unknown", rule: "shadow" },
		]);
		const strict = await routed(await ask("auto", PROSE, { quality_floor: 0.999 }));
		expect(strict.model).toBe("strong");
	});
});

describe("controls", () => {
	test("come in a header as well, and the body's go before", async () => {
		const header = { "x-isobar-route": JSON.stringify({ quality_usd: 0, weights: { size: 1 } }) };
		const send = (isobar: object) =>
			gateway.post(
				"/chat/completions",
				{ model: "auto", messages: [{ role: "user", content: ARITHMETIC }], isobar },
				{ headers: header },
			);
		const record = await routed(await send({}));
		expect(record.model).toBe("small");
		expect(record.route.candidates[0]!.terms).toMatchObject({ size: 8, quality: 0 });
		const over = await routed(await send({ route: { quality_usd: 10, weights: { recency: 1 } } }));
		const strong = over.route.candidates.find(({ model }) => model === "strong")!;
		expect(strong.terms.size).toBe(400);
		expect(strong.terms.recency).toBeGreaterThan(2);
	});

	test("weigh dollars and seconds against quality", async () => {
		const model = async (route: object) => (await routed(await ask("auto", ARITHMETIC, route))).model;
		expect(await model({})).toBe("strong");
		// Which of the other two it is depends on how fast they have been.
		expect(await model({ weights: { cost: 20 } })).not.toBe("strong");
		expect(await model({ quality_usd: 0.001 })).not.toBe("strong");
		const record = await routed(await ask("auto", ARITHMETIC, { weights: { latency: 0 } }));
		for (const { terms } of record.route.candidates) expect(terms).toMatchObject({ time: 0, late: 0 });
	});

	test.each<[string, object, string]>([
		["an unknown member", { qualty: 1 }, "isobar.route.qualty"],
		["a floor over 1", { quality_floor: 1.5 }, "isobar.route.quality_floor"],
		["a negative weight", { weights: { size: -1 } }, "isobar.route.weights.size"],
		["a cost of nothing", { weights: { cost: 0 } }, "isobar.route.weights.cost"],
		["an unknown zone", { require: { privacy: "secret" } }, "isobar.route.require.privacy"],
		["an unknown mode", { mode: "guess" }, "isobar.route.mode"],
		["a list", [], "isobar.route"],
	])("with %s are refused", async (_, route, param) => {
		expect(await errorOf(await ask("auto", PROSE, route))).toMatchObject({ code: "invalid_request", param });
	});

	test.each(["{", "[]", '{"mode":5}', `{"mode":"${"x".repeat(9_000)}"}`])(
		"in a bad header are refused: %.20s",
		async (header) => {
			const body = { model: "small", messages: [{ role: "user", content: PROSE }] };
			const answer = await gateway.post("/chat/completions", body, { headers: { "x-isobar-route": header } });
			const error = await errorOf(answer);
			expect(error).toMatchObject({ code: "invalid_request", param: expect.stringContaining("x-isobar-route") });
		},
	);
});

// The last one: the replica that fails takes some time to be trusted again.
describe("what a request may cost", () => {
	test("keeps it from dearer pools of the same model, also when the cheap one fails", async () => {
		const reserved = async (route: object) =>
			(await routed(await ask(["small"], PROSE, route, { max_tokens: 200 }))).reserved_nano_usd;
		const near = await reserved({ require: { regions: ["near"] } });
		const far = await reserved({ require: { regions: ["small-far"] } });
		expect(far).toBeGreaterThan(near);
		const bound = { max_usd: (near + far) / 2e9 };
		expect(await reserved(bound)).toBe(near);
		gateway.simulator.replica("small/a").behave({ faults: [{ kind: "status", status: 500 }] });
		const answer = await ask(["small"], PROSE, bound, { max_tokens: 200 });
		gateway.simulator.replica("small/a").reset();
		expect(answer.status).toBeGreaterThanOrEqual(500);
		const record = await routed(answer);
		expect(record.attempts.map(({ replica }) => replica)).toEqual(["small/a"]);
		const dear = record.decision!.find(({ replica }) => replica === "small-far/a");
		expect(dear).toMatchObject({ rejected: "max_usd", why: expect.stringContaining("max_usd") });
	});
});
