import { describe, expect, test } from "vitest";
import type { Problem } from "../../../src/shared/catalog/problems.ts";
import { validateCatalog } from "../../../src/shared/catalog/validate.ts";
import { CONTEXT, sampleInput } from "./sample.ts";

const MODEL = "llama-3.1-8b";

function checked(router: object) {
	return validateCatalog({ ...sampleInput(), routers: [{ id: "r", ...router }] }, CONTEXT);
}

function pathsOf(router: object): readonly string[] {
	const result = checked(router);
	if (result.ok) throw new Error("expected the catalog to be refused");
	return (result.error.details!["problems"] as readonly Problem[]).map(({ path }) => path);
}

describe("a router's cascade, vote, cache and rules", () => {
	test("are taken with their defaults", () => {
		const result = checked({
			cascade: { models: [MODEL, "embed"] },
			vote: {},
			cache: {},
			rules: [{ id: "a", equals: ["hi"], answer: "Hello" }],
		});
		if (!result.ok) throw new Error(JSON.stringify(result.error));
		expect(result.value.catalog.routers?.[0]).toMatchObject({
			cascade: { window: 0.1 },
			vote: { target: 0.9 },
			cache: { when: "deterministic", ttl_seconds: 3_600 },
			rules: [{ quality: 1 }],
		});
	});

	test.each<[string, object, string]>([
		["an unknown model in a ladder", { cascade: { models: [MODEL, "x"] } }, "routers[0].cascade.models[1]"],
		["a ladder of one", { cascade: { models: [MODEL] } }, "routers[0].cascade.models"],
		["a ladder that is too deep", { cascade: { models: ["a", "b", "c", "d"] } }, "routers[0].cascade.models"],
		["a model twice", { cascade: { models: [MODEL, MODEL] } }, "routers[0].cascade.models[1]"],
		[
			"a model that is not the router's",
			{ models: [MODEL], cascade: { models: [MODEL, "embed"] } },
			"routers[0].cascade.models[1]",
		],
		["an unknown verifier", { cascade: { verifier: "x" } }, "routers[0].cascade.verifier"],
		["six voters", { vote: { models: Array.from({ length: 6 }, () => MODEL) } }, "routers[0].vote.models"],
		["an unknown voter", { vote: { models: [MODEL, "x"] } }, "routers[0].vote.models[1]"],
		["a target over 1", { vote: { target: 1.1 } }, "routers[0].vote.target"],
		["a time that is too long", { cache: { ttl_seconds: 1e9 } }, "routers[0].cache.ttl_seconds"],
		["a rule without conditions", { rules: [{ id: "a", answer: "x" }] }, "routers[0].rules[0]"],
		[
			"a rule that does both",
			{ rules: [{ id: "a", equals: ["x"], answer: "x", refusal: "y" }] },
			"routers[0].rules[0]",
		],
		[
			"two rules of one id",
			{ rules: ["x", "y"].map((text) => ({ id: "a", equals: [text], answer: "x" })) },
			"routers[0].rules[1].id",
		],
	])("refuse %s", (_, router, path) => {
		expect(pathsOf(router)).toContain(path);
	});
});
