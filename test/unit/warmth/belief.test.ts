import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { coldProbability, stateAt, type Evidence, type Idleness } from "../../../src/shared/warmth/belief.ts";
import { idlenessOf, observeGap } from "../../../src/shared/warmth/idle-time.ts";
import type { WarmthState } from "../../../src/shared/warmth/signal.ts";
import { between } from "./support.ts";

const NOW = 1_800_000_000;
const LAW = { mu: Math.log(40), sigma: 0.5 };
const SOLE: Idleness = { idle: 60, soleTenant: true, coldShare: 0.4 };
const SHARED: Idleness = { ...SOLE, soleTenant: false };

function seen(state: WarmthState, at = NOW, change: Partial<Evidence> = {}): Evidence {
	return { signal: { state, at, source: "test" }, usedAt: -Infinity, waits: false, ...change };
}
const cold = (evidence: Evidence, idleness: Idleness, after: number) =>
	coldProbability(evidence, idleness, LAW, NOW + after);

describe("right after a fresh signal it is exact", () => {
	test.each([
		["warm", 0],
		["cold", 1],
		["waking", 1],
		["draining", 1],
		["asleep", 1],
	] as const)("%s: %d", (state, probability) => {
		expect(cold(seen(state), SOLE, 0)).toBe(probability);
		expect(cold(seen(state), SHARED, 0)).toBe(probability);
	});
});

describe("a sole tenant's pool", () => {
	test("is warm until it has been idle for its time, and then certainly cold", () => {
		expect(cold(seen("warm"), SOLE, 60)).toBe(0);
		expect(cold(seen("warm"), SOLE, 60.1)).toBe(1);
		expect(cold(seen("warm", NOW, { usedAt: NOW + 30 }), SOLE, 90)).toBe(0);
	});

	test("stays cold until somebody sees otherwise", () => {
		expect(cold(seen("cold"), SOLE, 1e6)).toBe(1);
	});

	test("that nobody has seen is taken as cold, unless it never scales to zero by itself", () => {
		const unseen = { signal: null, usedAt: -Infinity, waits: false };
		expect(cold(unseen, SOLE, 0)).toBeGreaterThan(0.9);
		expect(cold(unseen, { ...SOLE, idle: Infinity }, 0)).toBeLessThan(0.1);
	});
});

describe("a shared pool", () => {
	test("that was cold is so less and less surely, down to how often it is", () => {
		const at = [0, 10, 60, 600, 6_000].map((after) => cold(seen("cold"), SHARED, after));
		expect(at).toEqual(at.toSorted((a, b) => b - a));
		expect(at.at(-1)).toBeCloseTo(0.4, 6);
		expect(cold(seen("warm"), SHARED, 61)).toBeCloseTo(0.4, 6);
	});
});

describe("a waking pool", () => {
	test("is less likely to be still waking the older that is", () => {
		expect(cold(seen("waking"), SOLE, 10)).toBeGreaterThan(0.95);
		expect(cold(seen("waking"), SOLE, 40)).toBeCloseTo(0.5, 6);
		expect(cold(seen("waking"), SOLE, 150)).toBeLessThan(0.01);
	});

	test("has surely not come up while a request of ours waits there", () => {
		expect(cold(seen("waking", NOW, { waits: true }), SOLE, 150)).toBe(1);
	});

	test("that never comes up is cold again", () => {
		expect(stateAt(seen("waking"), LAW, NOW + 200)).toBe("waking");
		expect(stateAt(seen("waking"), LAW, NOW + 1_000)).toBe("cold");
		expect(cold(seen("waking"), SOLE, 1_000)).toBe(1);
	});
});

test("it is a probability, whatever was seen and however clocks jump", () => {
	const state = fc.constantFrom<WarmthState>("cold", "waking", "warm", "draining", "asleep");
	const idleness = fc.record({ idle: between(1, 1e5), soleTenant: fc.boolean(), coldShare: between(0.02, 0.98) });
	fc.assert(
		fc.property(
			state,
			idleness,
			between(-1e6, 1e6),
			between(-1e6, 1e6),
			fc.boolean(),
			(of, idle, after, used, waits) => {
				const probability = cold(seen(of, NOW, { usedAt: NOW + used, waits }), idle, after);
				expect(probability).toBeGreaterThanOrEqual(0);
				expect(probability).toBeLessThanOrEqual(1);
			},
		),
	);
});

test("nothing but a new signal makes a warm pool that is not used warmer", () => {
	const idleness = fc.record({ idle: between(1, 1e4), soleTenant: fc.boolean(), coldShare: between(0.02, 0.98) });
	fc.assert(
		fc.property(idleness, between(0, 1e5), between(0, 1e5), (idle, a, b) => {
			const evidence = seen("warm");
			expect(cold(evidence, idle, Math.min(a, b))).toBeLessThanOrEqual(cold(evidence, idle, Math.max(a, b)));
		}),
	);
});

describe("the idle time-out", () => {
	const stated = idlenessOf({ kind: "plain", idle_seconds: 60, sole_tenant: true });

	test("is learned from gaps that contradict it, and from no others", () => {
		expect(observeGap(stated, 30, false)).toBe(stated);
		expect(observeGap(stated, 90, true)).toBe(stated);
		let learned = stated;
		for (let n = 0; n < 12; n++) learned = observeGap(observeGap(learned, 15, true), 12, false);
		expect(learned.idle).toBeGreaterThan(12);
		expect(learned.idle).toBeLessThan(15.1);
	});

	test("one worker that was lost does not halve it more than once", () => {
		expect(observeGap(stated, 15, true).idle).toBeCloseTo(30, 9);
	});

	test("the share of a shared pool is learned from what was found after its time", () => {
		let shared = idlenessOf({ kind: "plain", idle_seconds: 60, sole_tenant: false });
		for (let n = 0; n < 200; n++) shared = observeGap(shared, 100, n % 10 === 0);
		expect(shared.idle).toBe(60);
		expect(shared.coldShare).toBeGreaterThan(0.02);
		expect(shared.coldShare).toBeLessThan(0.2);
	});

	test("stays in bounds, whatever gaps come", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.double(), fc.boolean())), (gaps) => {
				let known = stated;
				for (const [gap, isCold] of gaps) known = observeGap(known, gap, isCold);
				expect(known.idle).toBeGreaterThanOrEqual(1);
				expect(known.idle).toBeLessThanOrEqual(86_400);
			}),
		);
	});
});
