import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RetryBudget } from "../../../src/shared/admission/retry-budget.ts";

function withdrawAll(budget: RetryBudget, now: number): number {
	let count = 0;
	while (budget.withdraw(now)) count += 1;
	return count;
}

test("a tenth of the traffic and the floor, no more", () => {
	const budget = new RetryBudget({ share: 0.1 });
	// The floor: half a retry a second over ten seconds.
	expect(withdrawAll(budget, 100)).toBe(5);
	for (let n = 0; n < 100; n++) budget.deposit(100.5);
	expect(budget.balance(101)).toBe(10);
	expect(withdrawAll(budget, 101)).toBe(10);
	expect(budget.withdraw(101)).toBe(false);
});

test("exactly ten first attempts pay for one retry, without a floor", () => {
	const budget = new RetryBudget({ share: 0.1, perSecondMin: 0 });
	for (let n = 0; n < 9; n++) budget.deposit(0);
	expect(budget.withdraw(0)).toBe(false);
	budget.deposit(0);
	expect([budget.withdraw(0), budget.withdraw(0)]).toEqual([true, false]);
});

test("a share of whole retries is not one short for a rounding error", () => {
	const budget = new RetryBudget({ share: 0.29, perSecondMin: 0 });
	// 0.29 * 100 is 28.999999999999996 in a double.
	for (let n = 0; n < 100; n++) budget.deposit(0);
	expect(withdrawAll(budget, 0)).toBe(29);
});

test("what is not used expires, and what was used comes back, with the window", () => {
	const budget = new RetryBudget({ share: 0.1, perSecondMin: 0.2 });
	for (let n = 0; n < 1_000; n++) budget.deposit(50);
	expect(budget.balance(59.9)).toBe(102);
	expect(budget.balance(60)).toBe(2);
	expect(withdrawAll(budget, 60)).toBe(2);
	expect(withdrawAll(budget, 69.9)).toBe(0);
	expect(withdrawAll(budget, 70)).toBe(2);
	expect(withdrawAll(budget, 1e9)).toBe(2);
});

test("no window of ten seconds has more retries than its traffic and the floor allow; the clock may go back", () => {
	const step = fc.record({
		by: fc.oneof(
			{ weight: 20, arbitrary: fc.double({ min: -1.5, max: 2, noNaN: true }) },
			fc.integer({ min: 0, max: 100 }),
		),
		retry: fc.boolean(),
	});
	fc.assert(
		fc.property(
			fc.array(step, { maxLength: 400, size: "max" }),
			fc.constantFrom(0, 0.1, 0.25, 1),
			fc.constantFrom(0, 0.3, 2),
			(steps, share, floor) => {
				const budget = new RetryBudget({ share, perSecondMin: floor });
				const done: { slice: number; retry: boolean }[] = [];
				let [now, slice] = [1_000, -Infinity];
				for (const { by, retry } of steps) {
					now += by;
					slice = Math.max(slice, Math.floor(now));
					const inWindow = done.filter((d) => d.slice > slice - 10);
					const retries = inWindow.filter((d) => d.retry).length;
					const allowed = share * (inWindow.length - retries) + floor * 10;
					if (!retry) budget.deposit(now);
					else expect(budget.withdraw(now)).toBe(retries + 1 <= allowed + 1e-9);
					if (!retry || retries + 1 <= allowed + 1e-9) done.push({ slice, retry });
				}
			},
		),
	);
});
