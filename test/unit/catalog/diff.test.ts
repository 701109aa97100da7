import * as fc from "fast-check";
import { expect, test } from "vitest";
import { diffCatalogs } from "../../../src/shared/catalog/diff.ts";
import { sampleCatalog } from "./sample.ts";

const EMPTY = { models: [], pools: [] };

test("equal catalogs differ in nothing, in whatever order they are written", () => {
	const sample = sampleCatalog();
	const shuffled = fc.record({
		models: fc.shuffledSubarray(sample.models, { minLength: sample.models.length }),
		pools: fc.shuffledSubarray(sample.pools, { minLength: sample.pools.length }),
	});
	const same = { added: [], removed: [], changed: [] };
	const none = { models: same, pools: same, replicas: same, region_groups: same, routers: same };
	fc.assert(
		fc.property(shuffled, (other) => {
			expect(diffCatalogs(sample, other)).toEqual(none);
		}),
	);
});

test("from nothing everything is added, to nothing everything is removed", () => {
	const sample = sampleCatalog();
	const added = diffCatalogs(EMPTY, sample);
	expect(added.models.added).toEqual(["llama-3.1-8b", "embed"]);
	expect(added.pools.added).toEqual(["l4", "h100", "api", "embed-api"]);
	expect(added.replicas.added).toEqual(["l4/a", "l4/b", "h100/a", "api/main", "embed-api/main"]);
	const removed = diffCatalogs(sample, EMPTY);
	expect(removed.replicas.removed).toEqual(added.replicas.added);
	expect([removed.pools.removed, removed.pools.added, removed.pools.changed]).toEqual([added.pools.added, [], []]);
});

test("changed fields are named by path, with what they were and are", () => {
	const from = sampleCatalog();
	const to = structuredClone(from);
	const [l4, h100] = to.pools;
	const [model] = to.models;
	if (!l4 || !h100 || !model) throw new Error("sample");
	model.aliases = ["llama", "l3"];
	l4.price = { per: "million_tokens", input: 1, output: 2 };
	h100.place.region = "eu-north";
	delete h100.gpu;
	const [replica] = l4.replicas;
	if (replica) replica.max_concurrency = 4;

	const diff = diffCatalogs(from, to);
	expect(diff.models.changed).toEqual([
		{ id: "llama-3.1-8b", fields: [{ field: "aliases", from: ["llama"], to: ["llama", "l3"] }] },
	]);
	expect(diff.pools.changed).toEqual([
		{
			id: "l4",
			fields: [
				{ field: "price.per", from: "gpu_second", to: "million_tokens" },
				{ field: "price.usd", from: 0.0002, to: null },
				{ field: "price.input", from: null, to: 1 },
				{ field: "price.output", from: null, to: 2 },
			],
		},
		{
			id: "h100",
			fields: [
				{ field: "gpu.type", from: "H100", to: null },
				{ field: "gpu.count", from: 2, to: null },
				{ field: "place.region", from: "eu-west", to: "eu-north" },
			],
		},
	]);
	expect(diff.replicas.changed).toEqual([{ id: "l4/a", fields: [{ field: "max_concurrency", from: null, to: 4 }] }]);
	expect(JSON.parse(JSON.stringify(diff))).toEqual(diff);
});

test("what one direction adds the other removes", () => {
	const sample = sampleCatalog();
	const some = fc.record({ models: fc.subarray(sample.models), pools: fc.subarray(sample.pools) });
	fc.assert(
		fc.property(some, some, (from, to) => {
			const there = diffCatalogs(from, to);
			const back = diffCatalogs(to, from);
			for (const part of ["models", "pools", "replicas"] as const) {
				expect(there[part].added).toEqual(back[part].removed);
				expect(there[part].removed).toEqual(back[part].added);
			}
		}),
	);
});
