import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stagedMax } from "../../../src/shared/federated/check-specification.ts";
import { flushPlan } from "../../../src/shared/federated/freeze.ts";
import { readSpecification } from "../../../src/shared/federated/read-specification.ts";
import { fromBase } from "../../../src/shared/federated/rules/rule.ts";
import { SQLITE_ROW_BYTES_MAX } from "../../../src/shared/limits.ts";
import { facts } from "./support.ts";

function model(parameters: number) {
	return { w: { dtype: "F32", shape: [parameters], data_offsets: [0, parameters * 4] } };
}

const FLUSH = { when: "count", count: 10 };

function problems(body: unknown): readonly string[] {
	const read = readSpecification(body);
	return read.ok ? [] : read.error.map(({ path }) => path);
}

test("the least that a run needs, and what it then is", () => {
	const read = readSpecification({ model: model(10), flush: FLUSH });
	expect(read).toMatchObject({
		ok: true,
		value: {
			manifest: { parameters: 10 },
			specification: {
				rule: { name: "fedavg" },
				server_optimiser: { name: "sgd", learning_rate: 1, momentum: 0 },
				selection: { by: "all" },
				staleness_max: 0,
				weights: { by: "examples", max: 1e6 },
				retention: { versions: 5, updates: false },
				encodings: ["f32", "f16", "bf16", "int8"],
				shard_parameters: 2 ** 24,
			},
		},
	});
});

describe("what does not fit together is refused by its path", () => {
	test.each([
		["no model", { flush: FLUSH }, "model"],
		["a model with a hole", { model: { w: { ...model(1).w, data_offsets: [4, 8] } }, flush: FLUSH }, "model"],
		["no flush", { model: model(1) }, "flush"],
		["an unknown field", { model: model(1), flush: FLUSH, speed: 1 }, "speed"],
		["an unknown rule", { model: model(1), flush: FLUSH, rule: { name: "best" } }, "rule.name"],
		["a parameter of another rule", { model: model(1), flush: FLUSH, rule: { name: "fedavg", q: 1 } }, "rule.q"],
		[
			"a least count over the count",
			{ model: model(1), flush: { ...FLUSH, count_min: 11, deadline_seconds: 60 } },
			"flush.count_min",
		],
		["a least count without a deadline", { model: model(1), flush: { ...FLUSH, count_min: 5 } }, "flush.count_min"],
		[
			"fewer tasks than a flush needs",
			{ model: model(1), flush: FLUSH, selection: { by: "count", count: 9 } },
			"selection.count",
		],
		["fewer clients than that", { model: model(1), flush: FLUSH, limits: { clients_max: 9 } }, "limits.clients_max"],
		[
			"fewer updates staged than that",
			{ model: model(1), flush: FLUSH, limits: { updates_staged_max: 9 } },
			"limits.updates_staged_max",
		],
		["FedAsync that waits for ten", { model: model(1), flush: FLUSH, rule: { name: "fedasync" } }, "flush"],
		["FedFix without an interval", { model: model(1), flush: FLUSH, rule: { name: "fedfix" } }, "flush"],
		[
			"a median of more than can be held at once",
			{ model: model(1), flush: { when: "count", count: 40 }, rule: { name: "median" } },
			"limits.updates_staged_max",
		],
		[
			"FedNova with momentum and a proximal term",
			{ model: model(1), flush: FLUSH, rule: { name: "fednova", client_momentum: 0.5, client_proximal: 0.1 } },
			"rule.client_proximal",
		],
		[
			"losses clipped the wrong way round",
			{
				model: model(1),
				flush: FLUSH,
				rule: { name: "qfedavg", client_learning_rate: 1, loss_min: 10, loss_max: 1 },
			},
			"rule.loss_min",
		],
		[
			"one version only, which could not be gone back from",
			{ model: model(1), flush: FLUSH, retention: { versions: 1 } },
			"retention.versions",
		],
		["an encoding twice", { model: model(1), flush: FLUSH, encodings: ["f32", "f32"] }, "encodings"],
		[
			"shards that are not whole rows",
			{ model: model(1), flush: FLUSH, shard_parameters: 2 ** 18 + 1 },
			"shard_parameters",
		],
		["too many shards", { model: model(2 ** 30), flush: FLUSH, shard_parameters: 2 ** 18 }, "shard_parameters"],
		[
			"more staged bytes than a shard holds",
			{ model: model(2 ** 24), flush: { when: "count", count: 100 } },
			"shard_parameters",
		],
		[
			"more versions than a shard holds, kept as bases of updates that come late",
			{ model: model(2 ** 24), flush: FLUSH, staleness_max: 70, limits: { updates_staged_max: 80 } },
			"shard_parameters",
		],
		[
			"more of one row than is summed in one turn",
			{ model: model(2 ** 20), flush: FLUSH, shard_parameters: 2 ** 18, limits: { updates_staged_max: 5_000 } },
			"limits.updates_staged_max",
		],
		[
			"more retained updates than a shard holds",
			{ model: model(2 ** 24), flush: { when: "count", count: 20 }, retention: { updates: true } },
			"shard_parameters",
		],
		[
			"a long configuration",
			{ model: model(1), flush: FLUSH, client_configuration: { text: "x".repeat(70_000) } },
			"client_configuration",
		],
		[
			"a configuration without a floor",
			{
				model: model(1),
				flush: FLUSH,
				client_configuration: { a: JSON.parse("[".repeat(50_000) + "]".repeat(50_000)) as unknown },
			},
			"client_configuration",
		],
		[
			"a trimmed mean that may trim nothing",
			{
				model: model(1),
				flush: { when: "count", count: 9, count_min: 4, deadline_seconds: 60 },
				rule: { name: "trimmed_mean" },
			},
			"rule.beta",
		],
		[
			"a Multi-Krum that may have too few neighbours",
			{
				model: model(1),
				flush: { when: "count", count: 9, count_min: 4, deadline_seconds: 60 },
				rule: { name: "multikrum", f: 1 },
			},
			"rule.f",
		],
		[
			"a Multi-Krum that selects the hostile too",
			{ model: model(1), flush: { when: "count", count: 7 }, rule: { name: "multikrum", f: 2, m: 6 } },
			"rule.m",
		],
		[
			"inner products of more than can be held at once",
			{ model: model(1), flush: { when: "count", count: 40 }, rule: { name: "multikrum" } },
			"limits.updates_staged_max",
		],
	])("%s", (_, body, path) => {
		expect(problems(body)).toEqual([path]);
	});

	test("all faults are told at once", () => {
		expect(problems({ flush: { when: "count", count: 0 }, shard_parameters: 1 })).toEqual([
			"model",
			"flush.count",
			"shard_parameters",
		]);
	});
});

test("what does not fit a shard fits smaller ones, or in fewer bytes", () => {
	const flush = { when: "count", count: 100 };
	expect(problems({ model: model(2 ** 24), flush, shard_parameters: 2 ** 22 })).toEqual([]);
	expect(problems({ model: model(2 ** 24), flush, encodings: ["f16", "int8"] })).toEqual([]);
	expect(problems({ model: model(100_000), flush })).toEqual([]);
});

test("the plan of the largest flush fits one row", () => {
	const read = readSpecification({ model: model(1), flush: { when: "count", count: 10_000 } });
	if (!read.ok) throw new Error(JSON.stringify(read.error));
	const { specification } = read.value;
	expect(stagedMax(specification)).toBe(10_000);
	const updates = Array.from({ length: 10_000 }, (_, i) => ({
		...facts({ id: `up_1000000_cl_${String(i).padStart(16, "x")}` }),
		encoding: "int8" as const,
	}));
	const coefficients = fromBase(updates, () => 1 / 300_007);
	const plan = flushPlan(specification, updates, coefficients, { version: 1, parent: 0, step: 1 });
	expect(JSON.stringify(plan).length).toBeLessThan(SQLITE_ROW_BYTES_MAX * 0.6);
	expect(problems({ model: model(1), flush: { when: "count", count: 10_001 } })).toEqual(["flush.count"]);
});

test("any JSON is read or refused", () => {
	fc.assert(fc.property(fc.jsonValue(), (body) => void readSpecification(body)));
	fc.assert(
		fc.property(fc.dictionary(fc.constantFrom("rule", "flush", "limits", "encodings"), fc.jsonValue()), (body) => {
			expect(readSpecification({ ...body, model: model(1) }).ok).toBeTypeOf("boolean");
		}),
	);
});
