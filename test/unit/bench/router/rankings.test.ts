import { describe, expect, test } from "vitest";
import { agreement, completeTable, kendallTau, type ScoreTable } from "../../../../bench/router/rankings.ts";
import { rankings } from "../../../../bench/router/ranking-rows.ts";
import { seeded } from "../../../simulator/random.ts";

/** Ten models whose strengths are evenly apart, on prompts whose difficulties are too. */
function outcomes(prompts: number): { scores: Record<string, number> }[] {
	const random = seeded(3);
	return Array.from({ length: prompts }, () => {
		const difficulty = 6 * random() - 3;
		const solved = (strength: number): number => (random() < 1 / (1 + Math.exp(difficulty - strength)) ? 1 : 0);
		return { scores: Object.fromEntries(Array.from({ length: 10 }, (_, m) => [`m${m}`, solved(m / 5 - 0.9)])) };
	});
}
const table: ScoreTable = completeTable(outcomes(8_000));

describe("the bench of rankings", () => {
	test("Kendall's tau is 1 for the same order, -1 for the reverse, and counts ties as neither", () => {
		expect(kendallTau([1, 2, 3], [10, 20, 30])).toBe(1);
		expect(kendallTau([1, 2, 3], [3, 2, 1])).toBe(-1);
		expect(kendallTau([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(4 / 6, 12);
		expect(kendallTau([1, 1, 2], [1, 2, 3])).toBeCloseTo(2 / Math.sqrt(6), 12);
	});

	test("rows in which a model was not scored are left out", () => {
		const { models, prompts } = completeTable([{ scores: { a: 1, b: 0 } }, { scores: { a: 1 } }]);
		expect({ models, prompts }).toEqual({ models: ["a", "b"], prompts: 1 });
	});

	test("where a router chose who was asked, means mislead and comparisons do not", () => {
		const routed = agreement(table, "routed", 0.9, 4, 1);
		expect(routed.mean).toBeLessThan(0.6);
		expect(routed.ilsr).toBeGreaterThan(0.9);
		const random = agreement(table, "random", 0.9, 4, 1);
		expect(random.mean).toBeGreaterThan(0.9);
	});

	test("a seed gives the same figures again, and the target is the routed case at 90 %", () => {
		const once = rankings(outcomes(400), { draws: 2, seed: 5 });
		expect(rankings(outcomes(400), { draws: 2, seed: 5 })).toEqual(once);
		const row = once.rows.find(({ pool }) => pool === "MMLU-Pro, ranking from scores that are 90 % missing (routed)")!;
		expect(once.targets).toEqual([{ id: "pl_tau", value: row.tau, goal: 0.91, direction: "at_least" }]);
	});
});
