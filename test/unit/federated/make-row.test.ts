import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode } from "../../../src/shared/federated/decode.ts";
import { encode } from "../../../src/shared/federated/encode.ts";
import { ENCODINGS, type Encoding } from "../../../src/shared/federated/encoding.ts";
import { coefficientsOf, flushFacts, flushPlan } from "../../../src/shared/federated/freeze.ts";
import { addGramRow } from "../../../src/shared/federated/gram-row.ts";
import { makeRow } from "../../../src/shared/federated/make-row.ts";
import { makeOptimiser } from "../../../src/shared/federated/optimisers/registry.ts";
import { makeRule } from "../../../src/shared/federated/rules/registry.ts";
import type { PendingUpdate } from "../../../src/shared/federated/run.ts";
import { specificationSchema, type Specification } from "../../../src/shared/federated/specification.ts";

const LENGTH = 700;

interface Sent extends PendingUpdate {
	readonly encoding: Encoding;
	readonly bytes: Uint8Array;
}

const values = fc.float32Array({ minLength: LENGTH, maxLength: LENGTH, min: -100, max: 100, noNaN: true });

const updates = fc
	.array(
		fc.record({
			values,
			encoding: fc.constantFrom(...ENCODINGS),
			weight: fc.integer({ min: 1, max: 1_000 }),
			steps: fc.integer({ min: 1, max: 50 }),
			loss: fc.double({ min: 0.01, max: 9, noNaN: true }),
			base: fc.integer({ min: 0, max: 4 }),
		}),
		{ minLength: 2, maxLength: 8 },
	)
	.map((drawn) =>
		drawn.map(({ values, encoding, ...rest }, i): Sent => {
			const client = `c${i}`;
			const squaredNorm = values.reduce((sum, value) => sum + value * value, 0);
			const bytes = encode(encoding, values);
			return { ...rest, id: `up_5_${client}`, client, round: 5, squaredNorm, turnaround: i + 1, encoding, bytes };
		}),
	);

const RULES = [
	{ name: "fedavg" },
	{ name: "fedbuff" },
	{ name: "fedbuff", anchor: "current" },
	{ name: "fedasync", alpha: 0.5 },
	{ name: "fedfix" },
	{ name: "fednova" },
	{ name: "qfedavg", client_learning_rate: 0.1 },
	{ name: "median" },
	{ name: "trimmed_mean" },
	{ name: "multikrum", f: 1, m: 2 },
];
const OPTIMISERS = ["sgd", "adagrad", "adam", "yogi"].map((name) =>
	name === "sgd" ? { name, momentum: 0.9 } : { name },
);

function specification(rule: object, server_optimiser: object): Specification {
	return specificationSchema.parse({ rule, server_optimiser, flush: { when: "interval", seconds: 60 } });
}

const PARENT = 4;
const BASES = Array.from({ length: PARENT }, (_, version) =>
	Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(i * (version + 1))),
);

/** The next row and the optimiser's, from updates that came in this order. */
function flushed(specification: Specification, arrived: readonly Sent[]): readonly Float32Array[] {
	const facts = flushFacts(arrived, PARENT);
	const sent = new Map(arrived.map((update) => [update.id, update]));
	const rows = facts.map(({ id }) => ({
		encoding: sent.get(id)!.encoding,
		read: (begin: number, end: number) => sent.get(id)!.bytes.subarray(begin, end),
	}));
	const gram = { n: rows.length, products: new Float64Array(rows.length ** 2) };
	addGramRow(gram.products, rows, LENGTH);
	const coefficients = coefficientsOf(specification, facts, { populationWeight: 5_000, interval: 60 }, gram);
	if (!coefficients.ok) throw new Error(coefficients.error.message);
	const plan = flushPlan(
		specification,
		facts.map((update) => ({ ...update, encoding: sent.get(update.id)!.encoding })),
		coefficients.value,
		{ version: PARENT + 1, parent: PARENT, step: 5 },
	);
	const optimiser = makeOptimiser(plan.optimiser);
	const model = Float32Array.from({ length: LENGTH }, (_, i) => Math.cos(i));
	const state = optimiser.initialState.map((value) => new Float32Array(LENGTH).fill(value));
	const inputs = {
		updates: plan.updates.map(({ id, encoding, coefficient }) => ({
			encoding,
			coefficient,
			read: (begin: number, end: number) => sent.get(id)!.bytes.subarray(begin, end),
		})),
		bases: plan.bases.map(([version, coefficient]) => ({ coefficient, read: () => BASES[version]! })),
		model,
		state,
		step: plan.step,
	};
	expect(makeRow(makeRule(plan.rule), optimiser, inputs, new Float64Array(LENGTH).fill(7))).toBe(true);
	return [model, ...state];
}

function bytesOf(rows: readonly Float32Array[]): string {
	return rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString("hex")).join();
}

describe.each(RULES)("%o", (rule) => {
	test("gives the same bits whatever order the updates came in", () => {
		fc.assert(
			fc.property(updates, fc.constantFrom(...OPTIMISERS), fc.nat(), (arrived, optimiser, seed) => {
				const run = specification(rule, optimiser);
				const shuffled = [...arrived].sort((a, b) => mixed(a.client, seed) - mixed(b.client, seed));
				expect(bytesOf(flushed(run, shuffled))).toBe(bytesOf(flushed(run, arrived)));
			}),
			{ numRuns: 20 },
		);
	});
});

function mixed(client: string, seed: number): number {
	return Math.imul(client.charCodeAt(1) ^ seed, 0x9e37_79b1) >>> 0;
}

function sent(values: Float32Array, encoding: Encoding, more: Partial<Sent> = {}): Sent {
	const bytes = encode(encoding, values);
	const facts = { round: 5, base: PARENT, weight: 1, steps: null, loss: null, squaredNorm: 1, turnaround: 1 };
	return { id: "up_5_c0", client: "c0", ...facts, encoding, bytes, ...more };
}

test("with one client, FedAvg makes that client's model", () => {
	fc.assert(
		fc.property(values, fc.integer({ min: 1, max: 1e6 }), (values, weight) => {
			const one = sent(values, "f32", { weight });
			const [model] = flushed(specification({ name: "fedavg" }, { name: "sgd" }), [one]);
			const expected = Float32Array.from(values, (value, i) => Math.fround(Math.cos(i)) + value);
			expect(bytesOf([model!])).toBe(bytesOf([expected]));
		}),
		{ numRuns: 20 },
	);
});

test("scaling all weights alike changes nothing", () => {
	fc.assert(
		fc.property(updates, fc.integer({ min: -9, max: 9 }), (arrived, power) => {
			const run = specification({ name: "fedavg" }, { name: "sgd" });
			const scaled = arrived.map((update) => ({ ...update, weight: update.weight * 2 ** power }));
			expect(bytesOf(flushed(run, scaled))).toBe(bytesOf(flushed(run, arrived)));
		}),
		{ numRuns: 20 },
	);
});

/** Origin: adversarial-ingest.json, where the same in f16 arithmetic is off by 2.1e-3. */
test("200 updates in f16 are averaged to 1e-7 of their exact mean", () => {
	const drawn = Array.from({ length: 200 }, (_, client) =>
		Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(client * 7_919 + i * 104_729) * 3),
	);
	const updates = drawn.map((values, i) => sent(values, "f16", { id: `up_5_c${i}`, client: `c${i}` }));
	const delta = new Float64Array(LENGTH);
	const optimiser = { initialState: [], step: ({ delta: found }: { delta: Float64Array }) => delta.set(found) };
	const exact = new Float64Array(LENGTH);
	const decoded = new Float32Array(LENGTH);
	for (const { bytes } of updates) {
		decode("f16", bytes, decoded);
		decoded.forEach((value, i) => (exact[i]! += value / 200));
	}
	const inputs = updates.map(({ encoding, bytes }) => ({ encoding, coefficient: 1 / 200, read: () => bytes }));
	const row = { updates: inputs, bases: [], model: new Float32Array(LENGTH), state: [], step: 1 };
	makeRow(makeRule({ name: "fedavg" }), optimiser, row, new Float64Array(LENGTH));
	const error = Math.hypot(...delta.map((value, i) => value - exact[i]!)) / Math.hypot(...exact);
	expect(error).toBeLessThan(1e-7);
});

test("a row rule sees the same coordinates of all updates, across its pieces", () => {
	const length = 40_000;
	const rows = [0, 1, 2].map((n) => Float32Array.from({ length }, (_, i) => ((i * 31 + n * 17) % 97) - 48));
	const encodings = ["f32", "int8", "bf16"] as const;
	const decodedRows = rows.map((row, n) => {
		const out = new Float32Array(length);
		decode(encodings[n]!, encode(encodings[n]!, row), out);
		return out;
	});
	const updates = rows.map((row, n) => {
		const bytes = encode(encodings[n]!, row);
		return { encoding: encodings[n]!, coefficient: null, read: (a: number, b: number) => bytes.subarray(a, b) };
	});
	const model = new Float32Array(length);
	const inputs = { updates, bases: [], model, state: [], step: 1 };
	makeRow(
		makeRule({ name: "median" }),
		makeOptimiser({ name: "sgd", learning_rate: 1, momentum: 0 }),
		inputs,
		new Float64Array(length),
	);
	const expected = model.map((_, i) => decodedRows.map((row) => row[i]!).sort((a, b) => a - b)[1]!);
	expect(bytesOf([model])).toBe(bytesOf([expected]));
});

test("a sum that leaves the range of f32 makes no row, and a row of wrong length is a bug", () => {
	const huge = encode("f32", new Float32Array(4).fill(3e38));
	const row = (read: () => Uint8Array) => {
		const updates = [{ encoding: "f32", coefficient: 2, read } as const];
		const inputs = { updates, bases: [], model: new Float32Array(4), state: [], step: 1 };
		return makeRow(
			makeRule({ name: "fedavg" }),
			makeOptimiser({ name: "sgd", learning_rate: 1, momentum: 0 }),
			inputs,
			new Float64Array(4),
		);
	};
	expect(row(() => huge)).toBe(false);
	expect(() => row(() => huge.subarray(4))).toThrow(RangeError);
});
