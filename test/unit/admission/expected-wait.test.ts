import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	expectedWait,
	newServiceRate,
	observeTurns,
	retryAfter,
	turnsPerSecond,
} from "../../../src/shared/admission/expected-wait.ts";

/** A room that always has somebody waiting and gives `perSecond` turns, for `seconds` from 0. */
function busy(perSecond: number, seconds: number) {
	let rate = observeTurns(newServiceRate(0), 0, true, 0);
	for (let n = 1; n <= perSecond * seconds; n++) rate = observeTurns(rate, 1, true, n / perSecond);
	return rate;
}

describe("the service rate", () => {
	test("is the prior while nothing was seen", () => {
		expect(turnsPerSecond(newServiceRate(0), 3, 1_000)).toBe(3);
	});

	test("comes to what a busy room does, whatever the prior was", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 0.5, max: 2, noNaN: true }), (perSecond, off) => {
				// 120 s fill the memory: evidence of 30 s against the prior's 5, so a seventh of the prior's error is left.
				const seen = turnsPerSecond(busy(perSecond, 120), perSecond * off, 120);
				expect(Math.abs(seen / perSecond - 1)).toBeLessThanOrEqual(Math.abs(off - 1) / 6 + 0.03);
			}),
		);
	});

	test("learns nothing from an empty room, whose turns tell of demand", () => {
		let rate = newServiceRate(0);
		for (let n = 0; n < 100; n++) rate = observeTurns(rate, 1, false, n * 10);
		expect(turnsPerSecond(rate, 20, 1_000)).toBe(20);
	});

	test("falls while a room with somebody waiting gives no turns, but not to zero", () => {
		const rate = observeTurns(newServiceRate(0), 0, true, 0);
		const series = [0, 1, 5, 30, 300, 1e6].map((now) => turnsPerSecond(rate, 2, now));
		expect(series).toEqual([...series].sort((a, b) => b - a));
		// Exposure tends to 30 s beside the prior's 5.
		expect(series.at(-1)).toBeCloseTo((2 * 5) / 35, 9);
	});

	test("returns to the prior when the room was long empty", () => {
		const rate = observeTurns(busy(10, 60), 0, false, 60);
		expect(turnsPerSecond(rate, 1, 61)).toBeGreaterThan(7);
		expect(turnsPerSecond(rate, 1, 60 + 600)).toBeCloseTo(1, 3);
	});

	test("stays finite and not negative when the clock jumps to and fro", () => {
		const step = fc.record({
			by: fc.double({ min: -5, max: 1e6, noNaN: true }),
			turns: fc.nat(5),
			waiting: fc.boolean(),
		});
		fc.assert(
			fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
				let now = 1e9;
				let rate = newServiceRate(now);
				for (const { by, turns, waiting } of steps) {
					now += by;
					rate = observeTurns(rate, turns, waiting, now);
					const seen = turnsPerSecond(rate, 1, now);
					expect(seen).toBeGreaterThanOrEqual(0);
					expect(seen).toBeLessThan(1e6);
				}
			}),
		);
	});
});

test("the wait is position over rate, and endless where nothing moves", () => {
	expect(expectedWait(12, 4)).toBe(3);
	expect(expectedWait(1, 0)).toBe(Infinity);
	expect(expectedWait(0, 4)).toBe(0);
});

test("Retry-After is the excess, from 1 to 60 s, spread upwards by up to a quarter", () => {
	expect(retryAfter(40, 30)).toBe(10);
	expect(retryAfter(40, 30, 0.5)).toBe(11.25);
	expect(retryAfter(5, 30)).toBe(1);
	expect(retryAfter(Infinity, 30, 0.9)).toBe(60);
});
