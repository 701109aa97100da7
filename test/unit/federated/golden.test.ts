import { describe, expect, test } from "vitest";
import * as asynchronous from "./golden/asynchronous.ts";
import * as flower from "./golden/flower.ts";
import { golden, hasGolden } from "./golden/full.ts";
import { coefficientRule, facts, Float64Server, worstError } from "./support.ts";

/** What Flower's strategies are called here. */
const STRATEGIES: Readonly<Record<string, readonly [rule: object, optimiser: object]>> = {
	FedAvg: [{ name: "fedavg" }, { name: "sgd" }],
	"FedAvgM_lr1_m0.9": [{ name: "fedavg" }, { name: "sgd", momentum: 0.9 }],
	"FedAvgM_lr0.5_m0": [{ name: "fedavg" }, { name: "sgd", learning_rate: 0.5 }],
	FedAdagrad_default: [{ name: "fedavg" }, { name: "adagrad", preset: "flower" }],
	FedAdam_default: [{ name: "fedavg" }, { name: "adam", preset: "flower" }],
	FedYogi_default: [{ name: "fedavg" }, { name: "yogi", preset: "flower" }],
	FedMedian: [{ name: "median" }, { name: "sgd" }],
	"FedTrimmedAvg_0.2": [{ name: "trimmed_mean", beta: 0.2 }, { name: "sgd" }],
};
const Q_FEDAVG = { name: "qfedavg", preset: "flower", q: 0.1, client_learning_rate: 0.1 };

test.each(Object.entries(STRATEGIES))("%s makes Flower's models", (name, [rule, parameters]) => {
	const server = new Float64Server(flower.INITIAL, rule, parameters);
	for (const [round, clients] of flower.ROUNDS.entries()) {
		server.flush(
			clients.map(([weight, model], i) => ({ id: `up_${round}_${i}`, weight, values: server.update(model) })),
		);
		expect(worstError(server.model, flower.EXPECTED[name]![round]!)).toBeLessThan(1e-9);
	}
});

interface FlowerRun {
	readonly initial: readonly number[];
	readonly rounds: readonly (readonly { num_examples: number; train_loss: number; params: readonly number[] }[])[];
	readonly expected: Readonly<Record<string, { readonly after_round_float64: readonly (readonly number[])[] }>>;
}

describe.skipIf(!hasGolden)("all of what Flower's strategies were run on", () => {
	const krum = {
		Krum_f1: [{ name: "multikrum", f: 1, m: 1 }, { name: "sgd" }],
		MultiKrum_f1_m5: [{ name: "multikrum", f: 1, m: 5 }, { name: "sgd" }],
	} as const;
	const all = { ...STRATEGIES, ...krum, "QFedAvg_q0.1": [Q_FEDAVG, { name: "sgd" }] as const };
	test.each(Object.entries(all))("%s", (name, [rule, parameters]) => {
		const run = golden("flower-strategies-run.json") as FlowerRun;
		const server = new Float64Server(run.initial, rule, parameters);
		for (const [round, clients] of run.rounds.entries()) {
			server.flush(
				clients.map(({ num_examples, train_loss, params }, i) => {
					const values = server.update(params);
					const squaredNorm = values.reduce((sum, value) => sum + value * value, 0);
					return { id: `up_${round}_${i}`, weight: num_examples, loss: train_loss, squaredNorm, values };
				}),
			);
			expect(worstError(server.model, run.expected[name]!.after_round_float64[round]!)).toBeLessThan(1e-9);
		}
	});
});

describe("asynchronous servers", () => {
	const { INITIAL, ARRIVALS, FEDASYNC, FEDBUFF } = asynchronous;
	const LAWS: Readonly<Record<string, object>> = {
		fedasync_constant: { kind: "constant" },
		"fedasync_poly_a-0.5": { kind: "polynomial", exponent: 0.5 },
		fedasync_hinge_a10_b2: { kind: "hinge", slope: 10, after: 2 },
	};

	test.each(Object.entries(LAWS))("%s makes APPFL's models", (name, staleness) => {
		const server = new Float64Server(INITIAL, { name: "fedasync", alpha: 0.9 / 4, staleness }, { name: "sgd" });
		const bases = new Map<number, number>();
		for (const [i, [client, model]] of ARRIVALS.entries()) {
			const base = bases.get(client) ?? 0;
			server.flush([{ base, staleness: server.version - base, values: server.update(model, base) }]);
			bases.set(client, server.version);
			expect(worstError(server.model, FEDASYNC[name]![i]!)).toBeLessThan(1e-9);
		}
	});

	test("FedBuff buffers three updates and makes the models of its equations", () => {
		const server = new Float64Server(INITIAL, { name: "fedbuff" }, { name: "sgd" });
		const buffer: { id: string; base: number; staleness: number; values: Float64Array }[] = [];
		for (const [i, [, model]] of ARRIVALS.entries()) {
			const [base, expected] = FEDBUFF[i]!;
			buffer.push({ id: `up_${i}`, base, staleness: server.version - base, values: server.update(model, base) });
			if (buffer.length === 3) server.flush(buffer.splice(0));
			expect(worstError(server.model, expected)).toBeLessThan(1e-9);
		}
		expect(server.version).toBe(4);
	});

	test("updates that flow together into FedAsync count as one after the other", () => {
		const [a, b] = [0.6, 0.6 * 3 ** -0.5];
		const together = coefficientRule({ name: "fedasync" }).coefficients(
			[facts({ id: "up_1_a" }), facts({ id: "up_1_b", staleness: 2, base: 7 })],
			{ populationWeight: 1, interval: null },
			null,
		);
		expect(together.updates[0]).toBeCloseTo(a * (1 - b), 15);
		expect(together.updates[1]).toBeCloseTo(b, 15);
		expect(together.bases).toEqual([[7, together.updates[1]]]);
	});
});

/** Origin: fedfix-async-schedules.json, cases FedFix-0.5 and FedFix-0.2 (weights by the formulas of the paper's authors). */
test.each([
	[0.5, [2, 2, 2, 2, 1, 1]],
	[0.2, [5, 5, 4, 3, 2, 1]],
])("FedFix at an interval of %d s makes up for flushes that a client missed", (interval, times) => {
	const turnarounds = [1, 0.84, 0.68, 0.52, 0.36, 0.19999999999999996];
	const examples = [166, 35, 52, 62, 52, 164];
	const updates = turnarounds.map((turnaround, i) => facts({ id: `up_1_${i}`, turnaround, weight: examples[i]! }));
	const { updates: found } = coefficientRule({ name: "fedfix" }).coefficients(
		updates,
		{ populationWeight: 531, interval },
		null,
	);
	expect(
		worstError(
			found,
			times.map((n, i) => (n * examples[i]!) / 531),
		),
	).toBeLessThan(1e-12);
});

/** Origin: unit tests of Flower (flwrlabs/flower at commit fdef7afb1dca, Apache-2.0), as in flower-unit-literals.json. */
describe("what Flower's own tests expect", () => {
	test("FedAdagrad: 0.1 becomes 0.15 exactly in f32", () => {
		const server = new Float64Server([0.1], { name: "fedavg" }, { name: "adagrad", preset: "flower", tau: 0.5 });
		server.flush([0.2, 1].map((value, i) => ({ id: `up_1_${i}`, weight: 5, values: server.update([value]) })));
		expect(Math.fround(server.model[0]!)).toBe(Math.fround(0.15));
	});

	test("FedAvgM: 1 and twice 3 make 7/3", () => {
		const server = new Float64Server([0], { name: "fedavg" }, { name: "sgd", momentum: 0.9 });
		server.flush([
			{ id: "up_1_0", weight: 1, values: server.update([1]) },
			{ id: "up_1_1", weight: 2, values: server.update([3]) },
		]);
		expect(server.model[0]).toBeCloseTo(7 / 3, 15);
	});

	test.each([
		[{ name: "median" }, [1, 0.2, 0.5], 0.5],
		[{ name: "trimmed_mean", beta: 0.25 }, [0.5, 1, 2, 100], 1.5],
	])("%o", (rule, values, expected) => {
		const server = new Float64Server([0], rule, { name: "sgd" });
		server.flush(values.map((value, i) => ({ id: `up_1_${i}`, values: server.update([value]) })));
		expect(server.model[0]).toBe(expected);
	});
});
