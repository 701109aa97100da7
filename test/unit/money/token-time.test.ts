import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TokenTimeMeter } from "../../../src/shared/money/token-time.ts";

test("one request pays for all the time it ran", () => {
	const meter = new TokenTimeMeter();
	meter.begin("a", 100, 10);
	expect(meter.end("a", 13)).toBeCloseTo(3, 9);
});

test("two equal requests share the time they overlap", () => {
	const meter = new TokenTimeMeter();
	meter.begin("a", 100, 0);
	meter.begin("b", 100, 1);
	expect(meter.end("a", 3)).toBeCloseTo(2, 9);
	expect(meter.end("b", 4)).toBeCloseTo(2, 9);
	expect(meter.busy(9)).toBeCloseTo(4, 9);
});

test("shares add up to the busy time, whatever comes", () => {
	const event = fc.record({
		id: fc.integer({ min: 0, max: 6 }),
		begin: fc.boolean(),
		after: fc.double({ min: -1, max: 5, noNaN: true }),
		tokens: fc.integer({ min: 0, max: 1e6 }),
	});
	fc.assert(
		fc.property(fc.array(event, { maxLength: 60 }), (events) => {
			const meter = new TokenTimeMeter();
			let now = 1;
			let sum = 0;
			for (const e of events) {
				now = Math.max(0, now + e.after);
				if (e.begin) meter.begin(String(e.id), e.tokens, now);
				else sum += meter.end(String(e.id), now);
			}
			for (let id = 0; id <= 6; id++) sum += meter.end(String(id), now);
			expect(sum).toBeCloseTo(meter.busy(now), 6);
		}),
	);
});

test("a request that the meter heard of late pays for what it missed as for what it saw", () => {
	const meter = new TokenTimeMeter();
	// Alone all the while.
	meter.begin("alone", 100, 15);
	expect(meter.end("alone", 16, 0)).toBeCloseTo(16);
	// Beside another of three times its weight.
	meter.begin("small", 100, 30);
	meter.begin("large", 300, 30);
	expect(meter.end("small", 34, 20)).toBeCloseTo(1 + 10 / 4);
	// Heard of in the moment in which it ends: divided as it stood then.
	meter.begin("late", 100, 40);
	expect(meter.end("late", 40, 32)).toBeCloseTo(8 / 4);
	expect(meter.end("large", 40)).toBeCloseTo(3 + 6);
});
