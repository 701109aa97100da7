import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { WarmthState } from "../../../src/shared/warmth/signal.ts";
import { StatusTrust } from "../../../src/shared/warmth/status-trust.ts";

const T0 = 1_800_000_000;
const says = (trust: StatusTrust, state: WarmthState, now: number) =>
	trust.believes({ state, at: now, source: "status" }, now);

test("a status that says warm while nobody is there is not heard for a minute, then for two", () => {
	const trust = new StatusTrust();
	expect(says(trust, "warm", T0)).toBe(true);
	trust.shown(false, T0 + 2);
	expect(says(trust, "warm", T0 + 61)).toBe(false);
	expect(says(trust, "warm", T0 + 63)).toBe(true);
	trust.shown(false, T0 + 64);
	expect(says(trust, "warm", T0 + 64 + 119)).toBe(false);
	expect(says(trust, "warm", T0 + 64 + 121)).toBe(true);
	// It was right this time.
	trust.shown(true, T0 + 64 + 122);
	expect(says(trust, "warm", T0 + 64 + 130)).toBe(true);
	trust.shown(false, T0 + 64 + 131);
	expect(says(trust, "warm", T0 + 64 + 131 + 61)).toBe(true);
});

test.each<[string, WarmthState, number]>([
	["it was long ago: the replica went cold since", "warm", 11],
	["it had said that it is cold", "cold", 1],
	["it had said that it starts", "waking", 1],
])("an answer does not contradict it: %s", (_, state, later) => {
	const trust = new StatusTrust();
	says(trust, state, T0);
	trust.shown(false, T0 + later);
	expect(says(trust, "warm", T0 + later + 1)).toBe(true);
});

test("however often it is wrong, it is heard again within an hour; and one that is never wrong is always heard", () => {
	const step = fc.record({ after: fc.double({ min: 0, max: 100, noNaN: true }), isRight: fc.boolean() });
	fc.assert(
		fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
			const trust = new StatusTrust();
			let now = T0;
			for (const { after, isRight } of steps) {
				now += after;
				const isHeard = says(trust, "warm", now);
				if (steps.every((each) => each.isRight)) expect(isHeard).toBe(true);
				trust.shown(isRight, now + 1);
			}
			expect(says(trust, "warm", now + 3_602)).toBe(true);
		}),
	);
});
