import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparisonsOf, type Comparison } from "../../../src/shared/router/comparisons.ts";
import { strengths } from "../../../src/shared/router/plackett-luce.ts";
import { stationary } from "../../../src/shared/router/stationary.ts";
import { seeded } from "../../simulator/random.ts";

describe("the stationary distribution", () => {
	test("is one: it flows into every state as much as out of it", () => {
		const chains = fc
			.integer({ min: 2, max: 8 })
			.chain((size) =>
				fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: size * size, maxLength: size * size }),
			);
		fc.assert(
			fc.property(chains, (list) => {
				const size = Math.sqrt(list.length);
				const mass = stationary(Float64Array.from(list), size);
				expect(mass.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 12);
				for (let s = 0; s < size; s++) {
					let into = 0;
					let out = 0;
					for (let t = 0; t < size; t++) {
						if (t === s) continue;
						into += mass[t]! * list[t * size + s]!;
						out += mass[s]! * list[s * size + t]!;
					}
					expect(into / out).toBeCloseTo(1, 9);
				}
			}),
		);
	});
});

describe("Luce spectral ranking", () => {
	test("of two models is their log odds", () => {
		const comparisons: Comparison[] = [
			{ winners: [0], losers: [1], weight: 300 },
			{ winners: [1], losers: [0], weight: 100 },
		];
		const [a, b] = strengths(comparisons, 2);
		expect(a! - b!).toBeCloseTo(Math.log(3), 2);
	});

	test("finds the order that made the comparisons again, whoever was compared with whom", () => {
		const truth = [2, 1, 0, -1, -2];
		const random = seeded(7);
		const comparisons: Comparison[] = [];
		for (let n = 0; n < 4_000; n++) {
			// Neighbours meet often, others hardly ever.
			const a = Math.floor(random() * 5);
			const b = random() < 0.9 ? Math.min(4, a + 1) : Math.floor(random() * 5);
			if (a === b) continue;
			const wins = random() < 1 / (1 + Math.exp(truth[b]! - truth[a]!));
			comparisons.push({ winners: [wins ? a : b], losers: [wins ? b : a], weight: 1 });
		}
		const found = strengths(comparisons, 5);
		truth.forEach((strength, m) => expect(Math.abs(found[m]! - strength)).toBeLessThan(0.35));
		expect([...found.keys()].sort((a, b) => found[b]! - found[a]!)).toEqual([0, 1, 2, 3, 4]);
	});

	test("follows whatever the models are called", () => {
		const comparisons = fc.array(
			fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })).filter(([a, b]) => a !== b),
			{ maxLength: 30 },
		);
		fc.assert(
			fc.property(comparisons, (list) => {
				const with_ = (name: (m: number) => number): Comparison[] =>
					list.map(([a, b]) => ({ winners: [name(a)], losers: [name(b)], weight: 1 }));
				const plain = strengths(
					with_((m) => m),
					4,
				);
				const turned = strengths(
					with_((m) => (m + 1) % 4),
					4,
				);
				plain.forEach((each, m) => expect(turned[(m + 1) % 4]).toBeCloseTo(each, 6));
			}),
		);
	});

	test("knows nothing of models that never met", () => {
		expect([...strengths([], 3)]).toEqual([0, 0, 0]);
		const [a, b, c] = strengths([{ winners: [0], losers: [1], weight: 5 }], 3);
		expect(a!).toBeGreaterThan(c!);
		expect(c!).toBeGreaterThan(b!);
	});
});

describe("comparisons in scores", () => {
	test("right and wrong answers are one, of all that were asked", () => {
		expect(comparisonsOf([1, 0, Number.NaN, 1, 0])).toEqual([{ winners: [0, 3], losers: [1, 4], weight: 1 }]);
		expect(comparisonsOf([1, 1, Number.NaN])).toEqual([]);
		expect(comparisonsOf([0.3])).toEqual([]);
	});

	test("grades are one for each pair", () => {
		expect(comparisonsOf([0.2, 0.9, 0.5], 0.3)).toEqual([
			{ winners: [1], losers: [0], weight: 0.3 },
			{ winners: [1], losers: [2], weight: 0.3 },
			{ winners: [2], losers: [0], weight: 0.3 },
		]);
	});
});
