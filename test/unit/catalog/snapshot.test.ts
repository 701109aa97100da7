import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editDistance, nearestNames } from "../../../src/shared/catalog/nearest-names.ts";
import { pricingOf } from "../../../src/shared/catalog/pricing.ts";
import { CAPABILITIES } from "../../../src/shared/catalog/capabilities.ts";
import type { Catalog } from "../../../src/shared/catalog/schema.ts";
import { buildSnapshot, capabilityBits, findModel } from "../../../src/shared/catalog/snapshot.ts";
import { CONTEXT, sampleCatalog } from "./sample.ts";
import { validateCatalog } from "../../../src/shared/catalog/validate.ts";

const ids = (names: Iterable<{ readonly id: string }>) => [...names].map((each) => each.id);

describe("snapshot", () => {
	const snapshot = buildSnapshot(7, sampleCatalog());

	test("models by id and alias, with their pools and replicas in the catalog's order", () => {
		const llama = snapshot.models.get("llama");
		expect(llama).toBe(snapshot.models.get("llama-3.1-8b"));
		expect(ids(llama?.pools ?? [])).toEqual(["l4", "h100", "api"]);
		expect(llama?.replicas.map((replica) => replica.name)).toEqual(["l4/a", "l4/b", "h100/a", "api/main"]);
		expect(llama?.longestContext).toBe(131_072);
	});

	test("a pool's own values go before the model's", () => {
		const l4 = snapshot.pools.get("l4");
		expect(l4).toMatchObject({ contextLength: 32_768, upstreamModel: "meta-llama/Llama-3.1-8B-Instruct" });
		expect(l4?.capabilityBits).toBe(capabilityBits(["chat", "completions"]));
		const h100 = snapshot.pools.get("h100");
		expect(h100).toMatchObject({ contextLength: 131_072, upstreamModel: "llama-3.1-8b" });
		expect(h100?.capabilities).toEqual(["chat", "completions", "tools", "json"]);
	});

	test("a replica knows its pool, its base URL and its concurrency", () => {
		const replica = snapshot.replicas.get("l4/b");
		expect(replica).toMatchObject({ id: "b", baseUrl: "http://10.0.0.2:8000", maxConcurrency: 8 });
		expect(replica?.pool).toBe(snapshot.pools.get("l4"));
		expect(snapshot.replicas.get("l4/a")?.maxConcurrency).toBe(32);
		expect(snapshot.replicas.get("h100/a")?.baseUrl).toBe("https://h100.example.com/base");
	});

	test("a model that no pool serves has no context", () => {
		const catalog = { ...sampleCatalog(), pools: [] };
		expect(buildSnapshot(1, catalog).models.get("embed")?.longestContext).toBe(0);
	});

	test("every name of every valid catalog is found, and nothing else", () => {
		fc.assert(
			fc.property(catalogs(), (input) => {
				const valid = validateCatalog(input, CONTEXT);
				if (!valid.ok) throw new Error(valid.error.message);
				const { catalog } = valid.value;
				const { models, pools, replicas } = buildSnapshot(1, catalog);
				expect([...models.keys()].sort()).toEqual(catalog.models.flatMap((m) => [m.id, ...m.aliases]).sort());
				expect([...pools.keys()].sort()).toEqual(ids(catalog.pools).sort());
				expect([...replicas.keys()].sort()).toEqual(
					catalog.pools.flatMap((pool) => pool.replicas.map((replica) => `${pool.id}/${replica.id}`)).sort(),
				);
				for (const replica of replicas.values()) expect(replica.pool.replicas).toContain(replica);
				for (const pool of pools.values()) expect(models.get(pool.model.id)?.pools).toContain(pool);
			}),
			{ numRuns: 50 },
		);
	});
});

/** Models m0, m1, ... and pools of them. */
function catalogs(): fc.Arbitrary<Catalog> {
	const counts = fc.array(fc.record({ model: fc.nat(), replicas: fc.integer({ min: 1, max: 4 }) }), { maxLength: 8 });
	return fc.tuple(fc.integer({ min: 1, max: 5 }), counts).map(([modelCount, pools]) => ({
		models: Array.from({ length: modelCount }, (_, index) => ({
			id: `m${index}`,
			aliases: [`alias-${index}`],
			context_length: 1_000 + index,
			capabilities: ["chat" as const],
			bytes_per_parameter: 2,
		})),
		pools: pools.map(({ model, replicas }, index) => ({
			id: `p${index}`,
			model: `m${model % modelCount}`,
			engine: "vllm" as const,
			place: { provider: "x", region: "y", round_trip_ms: 20 },
			price: { per: "gpu_hour" as const, usd: 1 },
			max_concurrency: 4,
			replicas: Array.from({ length: replicas }, (_, at) => ({ id: `r${at}`, url: `http://10.0.${index}.${at}` })),
		})),
	}));
}

test("capabilities as bits: all asked for are there exactly when the set holds them", () => {
	const some = fc.subarray([...CAPABILITIES]);
	fc.assert(
		fc.property(some, some, (has, needs) => {
			const bits = capabilityBits(needs);
			expect((capabilityBits(has) & bits) === bits).toBe(needs.every((need) => has.includes(need)));
		}),
	);
});

test("prices become whole nano-dollars, rounded up", () => {
	// USD 0.07 a million tokens is 7e7 nano-dollars; USD 2.5 an hour is 694,444.4 a second.
	expect(pricingOf({ per: "million_tokens", input: 0.07, output: 0.3 })).toEqual({
		per: "token",
		inputNanoPerMillion: 70_000_000,
		outputNanoPerMillion: 300_000_000,
		cachedInputNanoPerMillion: 70_000_000,
	});
	expect(pricingOf({ per: "million_tokens", input: 1, output: 2, cached_input: 0 })).toMatchObject({
		cachedInputNanoPerMillion: 0,
	});
	expect(pricingOf({ per: "gpu_second", usd: 0.0002 })).toEqual({
		per: "gpu_second",
		nanoPerSecond: 200_000,
		reserved: false,
	});
	expect(pricingOf({ per: "gpu_hour", usd: 2.5 })).toEqual({
		per: "gpu_second",
		nanoPerSecond: 694_445,
		reserved: true,
	});
});

describe("finding a model by name", () => {
	const snapshot = buildSnapshot(1, sampleCatalog());

	test("found", () => {
		expect(findModel(snapshot, "llama")).toMatchObject({ ok: true, value: { id: "llama-3.1-8b" } });
	});

	test("unknown: the nearest names, only those the key may name", () => {
		expect(findModel(snapshot, "lama-3.1-8b")).toMatchObject({
			error: { code: "model_not_found", param: "model", details: { nearest: ["llama-3.1-8b"] } },
		});
		expect(findModel(snapshot, "lama-3.1-8b", (id) => id === "embed")).toMatchObject({
			error: {
				message: 'Unknown model "lama-3.1-8b"; GET /v1/models lists those that the key may name',
				details: { nearest: [] },
			},
		});
	});

	test("a catalog without models says so", () => {
		const empty = buildSnapshot(0, { models: [], pools: [] });
		expect(findModel(empty, "x")).toMatchObject({ error: { code: "catalog_empty" } });
	});

	test("a name of a megabyte is not repeated", () => {
		const found = findModel(snapshot, "x".repeat(1_000_000));
		expect(!found.ok && found.error.message.length).toBeLessThan(200);
	});
});

describe("nearest names", () => {
	const NAMES = ["gpt-4o", "gpt-4o-mini", "llama-3.1-8b-instruct", "claude-3-5-sonnet", "mistral-small"];

	test.each([
		["gpt4o", ["gpt-4o"]],
		["GPT-4O", ["gpt-4o", "gpt-4o-mini"]],
		["gtp-4o", ["gpt-4o"]],
		["llama-3.1", ["llama-3.1-8b-instruct"]],
		["sonnet", ["claude-3-5-sonnet"]],
		["mistral-smal", ["mistral-small"]],
		["qwen", []],
		["", []],
	])("%j", (name, nearest) => {
		expect(nearestNames(name, NAMES)).toEqual(nearest);
	});

	test("at most three, each once, nearest first", () => {
		expect(nearestNames("model-a", ["model-bb", "model-b", "model-c", "model-d", "model-b"])).toEqual([
			"model-b",
			"model-c",
			"model-d",
		]);
	});

	const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 9 });

	test("the distance is that of the plain algorithm, up to the bound", () => {
		fc.assert(
			fc.property(word, word, fc.integer({ min: 1, max: 9 }), (a, b, bound) => {
				expect(editDistance(a, b, bound)).toBe(Math.min(plainDistance(a, b), bound + 1));
			}),
		);
	});
});

/** Optimal string alignment by its recursive definition. */
function plainDistance(a: string, b: string): number {
	if (a === "" || b === "") return a.length + b.length;
	const [lastA, lastB] = [a.at(-1), b.at(-1)];
	const [restA, restB] = [a.slice(0, -1), b.slice(0, -1)];
	const table = memo.get(`${a}|${b}`);
	if (table !== undefined) return table;
	let least = Math.min(
		plainDistance(restA, b) + 1,
		plainDistance(a, restB) + 1,
		plainDistance(restA, restB) + (lastA === lastB ? 0 : 1),
	);
	if (a.length > 1 && b.length > 1 && lastA === b.at(-2) && a.at(-2) === lastB) {
		least = Math.min(least, plainDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
	}
	memo.set(`${a}|${b}`, least);
	return least;
}
const memo = new Map<string, number>();
