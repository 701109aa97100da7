import { describe, expect, test } from "vitest";
import { diffCatalogs } from "../../../src/shared/catalog/diff.ts";
import type { Problem } from "../../../src/shared/catalog/problems.ts";
import { buildSnapshot } from "../../../src/shared/catalog/snapshot.ts";
import { validateCatalog } from "../../../src/shared/catalog/validate.ts";
import { CONTEXT, sampleInput } from "./sample.ts";

function checked(routers: unknown, change: (input: Record<string, unknown>) => void = () => {}) {
	const input: Record<string, unknown> = { ...sampleInput(), routers };
	change(input);
	return validateCatalog(input, CONTEXT);
}

function problems(...args: Parameters<typeof checked>): readonly Problem[] {
	const result = checked(...args);
	if (result.ok) throw new Error("expected the catalog to be refused");
	return result.error.details!["problems"] as readonly Problem[];
}

const MODEL = "llama-3.1-8b";

describe("a router that is wrong is named", () => {
	test.each<[string, object, Problem]>([
		[
			"an unknown model",
			{ models: [MODEL, "llama-3.1-8"] },
			{ path: "routers[0].models[1]", message: `unknown model "llama-3.1-8"; did you mean "${MODEL}"?` },
		],
		[
			"an alias",
			{ models: ["llama"] },
			{ path: "routers[0].models[0]", message: `unknown model "llama"; it is an alias, use the id "${MODEL}"` },
		],
		[
			"a model twice",
			{ models: [MODEL, MODEL] },
			{ path: "routers[0].models[1]", message: `duplicate: "${MODEL}" is in this list already` },
		],
		[
			"a foreign incumbent",
			{ models: [MODEL], incumbent: "embed" },
			{ path: "routers[0].incumbent", message: `"embed" is not among the router's models` },
		],
		["an unknown incumbent", { incumbent: "x" }, { path: "routers[0].incumbent", message: `unknown model "x"` }],
		[
			"a negative weight",
			{ weights: { size: -1 } },
			{ path: "routers[0].weights.size", message: "too small: expected number to be >=0" },
		],
		[
			"a weight that is none",
			{ weights: { speed: 1 } },
			{ path: "routers[0].weights.speed", message: "unknown field" },
		],
		[
			"a floor over 1",
			{ quality_floor: 2 },
			{ path: "routers[0].quality_floor", message: "too big: expected number to be <=1" },
		],
		[
			"the id of lists",
			{ id: "list" },
			{
				path: "routers[0].id",
				message: `"list" is taken: it is the router of requests that list their models`,
			},
		],
	])("%s", (_, router, problem) => {
		expect(problems([{ id: "r", ...router }])).toContainEqual(problem);
	});

	test("two of one id", () => {
		expect(problems([{ id: "r" }, { id: "r" }])).toContainEqual({
			path: "routers[1].id",
			message: `duplicate router id "r": it is routers[0].id already`,
		});
	});

	test("a model that is called like a router", () => {
		const rename = (input: Record<string, unknown>) =>
			Object.assign((input["models"] as object[])[1]!, { id: "auto:x" });
		expect(problems([], rename).map(({ message }) => message)).toContain(
			`"auto:x" is reserved: it lets a router choose a model`,
		);
	});

	test.each([
		["released", "yesterday"],
		["licence", ""],
		["card", 5],
	])("a model's %s of %j", (field, value) => {
		const set = (input: Record<string, unknown>) =>
			Object.assign((input["models"] as object[])[0]!, { [field]: value });
		expect(problems([], set).map(({ path }) => path)).toEqual([`models[0].${field}`]);
	});
});

test("a router whose model has no card is warned of, an embedding one aside", () => {
	const result = checked([{ id: "r" }]);
	expect(result).toMatchObject({ ok: true, value: { warnings: [{ path: "routers[0]" }] } });
	if (result.ok) expect(result.value.warnings[0]!.message).toContain(MODEL);
});

test("catalogs without any of it are as they were, and their pools are public", () => {
	const result = validateCatalog(sampleInput(), CONTEXT);
	if (!result.ok) throw new Error(result.error.message);
	expect(result.value.catalog).not.toHaveProperty("routers");
	const snapshot = buildSnapshot(1, result.value.catalog);
	expect(snapshot.routers.size).toBe(0);
	expect([...snapshot.pools.values()].map(({ privacy }) => privacy)).toEqual(["public", "public", "public", "public"]);
});

test("changes of routers are told", () => {
	const catalogOf = (routers: unknown) => {
		const result = checked(routers);
		if (!result.ok) throw new Error(result.error.message);
		return result.value.catalog;
	};
	const from = catalogOf([{ id: "a" }, { id: "b", models: [MODEL], weights: { size: 1 } }]);
	const to = catalogOf([{ id: "b", models: [MODEL], weights: { size: 2 }, quality_usd: 1 }, { id: "c" }]);
	expect(diffCatalogs(from, to).routers).toEqual({
		added: ["c"],
		removed: ["a"],
		changed: [
			{
				id: "b",
				fields: [
					{ field: "quality_usd", from: 0.05, to: 1 },
					{ field: "weights.size", from: 1, to: 2 },
				],
			},
		],
	});
});
