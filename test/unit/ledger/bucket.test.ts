import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drawn, levelOf, secondsUntil, type Bucket } from "../../../src/shared/ledger/bucket.ts";

describe("a token bucket", () => {
	test("lets no more pass in any stretch of time than it holds and refills", () => {
		const step = fc.record({
			wait: fc.double({ min: 0, max: 30, noNaN: true }),
			amount: fc.integer({ min: 1, max: 50 }),
		});
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 100 }), fc.array(step, { size: "max", maxLength: 60 }), (limit, steps) => {
				let bucket: Bucket = null;
				let now = 1_000;
				const passed: { at: number; amount: number }[] = [];
				for (const { wait, amount } of steps) {
					now += wait;
					if (levelOf(bucket, limit, now) < amount) continue;
					bucket = drawn(bucket, limit, amount, now);
					passed.push({ at: now, amount });
				}
				for (const [i, first] of passed.entries()) {
					let sum = 0;
					for (const { at, amount } of passed.slice(i)) {
						sum += amount;
						expect(sum).toBeLessThanOrEqual(limit + ((at - first.at) * limit) / 60 + 1e-6);
					}
				}
			}),
		);
	});

	test("says exactly when it will be enough", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 1_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (limit, part) => {
				const bucket = drawn(null, limit, limit, 0);
				const amount = limit * part;
				const wait = secondsUntil(bucket, limit, amount, 0);
				expect(levelOf(bucket, limit, wait)).toBeCloseTo(amount, 6);
			}),
		);
		expect(secondsUntil(null, 10, 10, 0)).toBe(0);
		expect(secondsUntil(null, 10, 11, 0)).toBe(60);
	});

	test("takes back what was not used, but never more than it holds", () => {
		const bucket = drawn(null, 60, 30, 0);
		expect(levelOf(drawn(bucket, 60, -10, 0), 60, 0)).toBe(40);
		expect(levelOf(drawn(bucket, 60, -90, 0), 60, 0)).toBe(60);
	});

	test("gains nothing from a clock that steps back and on again", () => {
		const bucket = drawn(null, 60, 60, 100);
		expect(levelOf(bucket, 60, 40)).toBe(0);
		expect(levelOf(drawn(drawn(bucket, 60, 0, 40), 60, -1, 40), 60, 100)).toBe(1);
	});

	test("counts nothing while there is no limit, and a new limit starts full", () => {
		expect(drawn(null, null, 5, 0)).toBeNull();
		expect(levelOf(null, 7, 0)).toBe(7);
	});
});
