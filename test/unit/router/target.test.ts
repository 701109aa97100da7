import { describe, expect, test } from "vitest";
import type { Key } from "../../../src/shared/catalog/keys.ts";
import { resolveTarget, routerNamed, routerNames } from "../../../src/shared/router/target.ts";
import { snapshotOf } from "./support.ts";

const model = (id: string, more = {}) => ({ id, context_length: 1_000, capabilities: ["chat" as const], ...more });
const models = [model("a", { aliases: ["first"] }), model("b"), model("e", { capabilities: ["embeddings"] })];
const plain = snapshotOf({ models, pools: [] });
const routed = snapshotOf({
	models,
	pools: [],
	routers: [
		{ id: "default", models: ["b"] },
		{ id: "vectors", models: ["e"] },
	],
});
const key = (allowed?: string[]) => ({ id: "key_1", allowed_models: allowed }) as unknown as Key;

test.each([
	["auto", "default"],
	["auto:x", "x"],
	["auto:", ""],
	["automatic", undefined],
	["Auto", undefined],
])("%s names the router %s", (name, id) => {
	expect(routerNamed(name)).toBe(id);
});

describe("a target", () => {
	const idsOf = (...args: Parameters<typeof resolveTarget>) => {
		const found = resolveTarget(...args);
		return found.ok ? [found.value.router.id, ...found.value.models.map(({ id }) => id)] : found.error.code;
	};

	test("is the catalog's router, or all that the key may use", () => {
		expect(idsOf(routed, { router: "default" }, key())).toEqual(["default", "b"]);
		expect(idsOf(plain, { router: "default" }, key())).toEqual(["default", "a", "b", "e"]);
		expect(idsOf(plain, { router: "default" }, key(["e"]))).toEqual(["default", "e"]);
		expect(idsOf(plain, { router: "default" }, key([]))).toBe("model_not_allowed");
		expect(idsOf(routed, { router: "defalt" }, key())).toBe("router_not_found");
		expect(idsOf(snapshotOf({ models: [], pools: [] }), { router: "default" }, key())).toBe("catalog_empty");
	});

	test("is a list, each once, whatever names it", () => {
		expect(idsOf(plain, { models: ["b", "first", "a"] }, key())).toEqual(["list", "b", "a"]);
		expect(idsOf(plain, { models: ["b", "c"] }, key())).toBe("model_not_found");
		expect(idsOf(plain, { models: ["b", "a"] }, key(["b"]))).toBe("model_not_allowed");
	});
});

test("routers are named where the key may use a model of theirs that writes", () => {
	expect(routerNames(routed, key())).toEqual(["auto", "auto:default"]);
	expect(routerNames(routed, key(["a"]))).toEqual([]);
	expect(routerNames(plain, key(["a"]))).toEqual(["auto"]);
	expect(routerNames(plain, key(["e"]))).toEqual([]);
});
