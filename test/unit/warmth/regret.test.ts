import * as fc from "fast-check";
import { expect, test } from "vitest";
import { NO_REGRET, regretAt, regretted } from "../../../src/shared/warmth/regret.ts";
import { between } from "./support.ts";

/** Spills `count` requests, one every `gap` seconds. */
function spill(premium: number, gap: number, count: number, usdPerSecond: number): number {
	let regret = NO_REGRET;
	for (let n = 1; n <= count; n++) regret = regretted(regret, premium, usdPerSecond, n * gap);
	return regretAt(regret, usdPerSecond, count * gap);
}

test("premiums above the price of keeping the pool warm add up by what they exceed it", () => {
	expect(spill(0.003, 1, 100, 0.001)).toBeCloseTo(0.003 * 100 - 0.001 * 99, 9);
});

test("premiums below it never do, whatever the time", () => {
	expect(spill(0.003, 10, 10_000, 0.001)).toBeCloseTo(0.003, 9);
});

test("where nothing is paid for idle time nothing runs against them", () => {
	expect(spill(0.003, 1_000, 100, 0)).toBeCloseTo(0.3, 9);
});

test("is never negative and never more than was paid", () => {
	fc.assert(
		fc.property(fc.array(fc.tuple(between(-1, 1), between(-10, 100))), between(0, 0.01), (spills, price) => {
			let regret = NO_REGRET;
			let paid = 0;
			let now = 0;
			for (const [premium, gap] of spills) {
				now += gap;
				paid += Math.max(0, premium);
				regret = regretted(regret, premium, price, now);
				expect(regretAt(regret, price, now)).toBeGreaterThanOrEqual(0);
				expect(regretAt(regret, price, now)).toBeLessThanOrEqual(paid + 1e-9);
			}
		}),
	);
});
