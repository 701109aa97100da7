import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DecayingRate } from "../../../src/shared/perf/decaying-rate.ts";
import { SharedRate } from "../../../src/shared/perf/shared-rate.ts";

test("parts that tell one another know what one who counts all knows, as of their last word", () => {
	const step = fc.record({
		at: fc.integer({ min: 0, max: 2 }),
		amount: fc.double({ min: 0, max: 10, noNaN: true }),
		after: fc.double({ min: 0, max: 50, noNaN: true }),
		tells: fc.boolean(),
	});
	fc.assert(
		fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
			const all = new DecayingRate(60);
			const parts = Array.from({ length: 3 }, () => new SharedRate(60));
			const tell = (from: number): void =>
				parts.forEach((part, to) => to !== from && part.hear(`${from}`, parts[from]!.own(now), now));
			let now = 1;
			for (const { at, amount, after, tells } of steps) {
				now += after;
				all.add(amount, now);
				parts[at]!.add(amount, now);
				expect(parts[at]!.perSecond(now)).toBeLessThanOrEqual(all.perSecond(now) + 1e-9);
				if (tells) tell(at);
			}
			for (let from = 0; from < 3; from++) tell(from);
			for (const part of parts) expect(part.perSecond(now + 30)).toBeCloseTo(all.perSecond(now + 30), 9);
		}),
	);
});
