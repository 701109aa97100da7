import { expect, test } from "vitest";
import { DecayingRate } from "../../../src/shared/perf/decaying-rate.ts";

test("a steady flow is seen as what it is, after some memories of time", () => {
	const rate = new DecayingRate(60);
	for (let now = 0; now < 600; now += 0.5) rate.add(0.2, now);
	expect(rate.perSecond(600)).toBeCloseTo(0.4, 2);
});

test("what lies one memory back counts 1/e, and reading changes nothing", () => {
	const rate = new DecayingRate(60);
	rate.add(60, 100);
	expect(rate.perSecond(100)).toBe(1);
	expect(rate.perSecond(160)).toBeCloseTo(Math.exp(-1), 12);
	expect(rate.perSecond(100)).toBe(1);
});

test("a clock that goes back stands still", () => {
	const rate = new DecayingRate(10);
	rate.add(10, 50);
	rate.add(10, 40);
	expect(rate.perSecond(50)).toBe(2);
	expect(rate.perSecond(30)).toBe(2);
});
