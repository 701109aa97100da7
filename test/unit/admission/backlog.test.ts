import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Backlog } from "../../../src/shared/admission/backlog.ts";

const RATE = 1_000;
const pace = (from: number) => ({ tokensPerSecond: RATE, from });

describe("what is left of queued prompts", () => {
	test("shrinks as they are computed, one after the other, once they can have begun", () => {
		const backlog = new Backlog();
		backlog.sent(0, 4_000, pace(10.5), 10);
		expect([10, 10.5, 12.5].map((now) => backlog.left(4_000, now))).toEqual([4_000, 4_000, 2_000]);
		// What comes while another is computed begins after it.
		backlog.sent(4_000, 1_000, pace(12.6), 12.5);
		expect([12.5, 13, 14.5].map((now) => backlog.left(5_000, now))).toEqual([3_000, 2_500, 1_000]);
	});

	test("is set right by each first token, whenever the word of it comes", () => {
		const backlog = new Backlog();
		backlog.sent(0, 4_000, pace(0), 0);
		backlog.sent(4_000, 3_000, pace(0), 0);
		// A second later than was expected, and told half a second after that.
		expect(backlog.left(7_000, 5.5)).toBe(1_500);
		backlog.advanced(3_000, 5);
		expect(backlog.left(3_000, 5.5)).toBe(2_500);
		// An earlier one, told later: what is queued counts, its time does not.
		backlog.advanced(2_000, 4);
		expect(backlog.left(2_000, 5.5)).toBe(1_500);
	});

	test("grows again, to all of it, where no first token comes", () => {
		const backlog = new Backlog();
		backlog.sent(0, 4_000, pace(0), 0);
		expect([4, 6, 12, 1e6].map((now) => backlog.left(4_000, now))).toEqual([0, 1_000, 4_000, 4_000]);
	});

	test("is all of it where no pace is known, and one without a pace stands in the line of the others", () => {
		const backlog = new Backlog();
		backlog.sent(0, 4_000, undefined, 0);
		backlog.sent(4_000, 100, { tokensPerSecond: 0, from: 0 }, 0);
		backlog.advanced(100, 1);
		expect(backlog.left(4_100, 50)).toBe(4_100);
		backlog.sent(0, 4_000, pace(50), 50);
		backlog.sent(4_000, 1_000, undefined, 51);
		expect(backlog.left(5_000, 52)).toBe(3_000);
	});
});

test("is never negative nor more than what is queued, whatever comes and whatever the clock does", () => {
	const event = fc.record({
		is: fc.constantFrom("sent", "sent", "advanced", "gone"),
		by: fc.double({ min: -1, max: 6, noNaN: true }),
		tokens: fc.integer({ min: 0, max: 8_000 }),
		rate: fc.integer({ min: 0, max: 20_000 }),
		later: fc.double({ min: -2, max: 20, noNaN: true }),
	});
	fc.assert(
		fc.property(fc.array(event, { maxLength: 40 }), (events) => {
			const backlog = new Backlog();
			let now = 1_000;
			let queued = 0;
			for (const { is, by, tokens, rate, later } of events) {
				now += by;
				if (is === "sent") {
					backlog.sent(queued, tokens, { tokensPerSecond: rate, from: now + later }, now);
					queued += tokens;
				} else {
					queued -= Math.min(queued, tokens);
					backlog[is](queued, now);
				}
				const left = backlog.left(queued, now + later);
				if (!(left >= 0 && left <= queued)) expect([left, queued]).toBe("left within queued");
			}
		}),
		{ numRuns: 200 },
	);
});

/** Prompts for one replica. */
const work = fc.array(
	fc.record({ gap: fc.double({ min: 0, max: 6, noNaN: true }), tokens: fc.integer({ min: 1, max: 8_000 }) }),
	{ minLength: 1, maxLength: 40 },
);

test("equals what a replica has left that keeps its pace and tells at once", () => {
	fc.assert(
		fc.property(work, fc.double({ min: 0, max: 1, noNaN: true }), (prompts, share) => {
			const backlog = new Backlog();
			const line: { tokens: number; first: number }[] = [];
			let queued = 0;
			let free = 0;
			let now = 0;
			for (const { gap, tokens } of prompts) {
				const until = now + gap;
				for (let head = line[0]; head && head.first <= until; head = line[0]) {
					line.shift();
					queued -= head.tokens;
					backlog.advanced(queued, head.first);
				}
				now = until;
				free = Math.max(free, now) + tokens / RATE;
				backlog.sent(queued, tokens, pace(now), now);
				queued += tokens;
				line.push({ tokens, first: free });
				const look = now + share * (line[0]!.first - now);
				expect(backlog.left(queued, look)).toBeCloseTo((free - look) * RATE, 3);
			}
		}),
		{ numRuns: 200 },
	);
});
