import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CacheBelief } from "../../../src/shared/kv/cache-belief.ts";

const all = (tokens: number) => ({ confirmed: tokens, predicted: tokens, actual: tokens });
const hit = (tokens: number, actual: number) => ({ confirmed: tokens, predicted: tokens, actual });

describe("the belief in a replica's cache", () => {
	test("stands while answers hit what was known, whatever engines round off and prompts differ in density", () => {
		const belief = new CacheBelief();
		for (const actual of [4_000, 3_936, 3_200, 4_800]) expect(belief.observe(hit(4_000, actual))).toBe("held");
		expect(belief.scale).toBe(1);
		expect(belief.trust).toBeGreaterThan(0.95);
	});

	test("shrinks by a factor with every answer that hit less, and recovers more slowly than it shrank", () => {
		const belief = new CacheBelief();
		belief.observe(hit(4_000, 1_000));
		belief.observe(hit(4_000, 1_000));
		const low = belief.scale;
		expect(low).toBeCloseTo(0.85 ** 2, 10);
		belief.observe(all(4_000));
		expect(belief.scale).toBeGreaterThan(low);
		expect(belief.scale).toBeLessThan(0.85);
		for (let i = 0; i < 100; i++) belief.observe(all(4_000));
		expect(belief.scale).toBe(1);
	});

	test("grows beyond the hardware's when answers hit what was thought evicted", () => {
		const belief = new CacheBelief();
		for (let i = 0; i < 10; i++) belief.observe(hit(500, 4_000));
		expect(belief.scale).toBeGreaterThan(1.5);
		for (let i = 0; i < 1_000; i++) belief.observe(hit(500, 4_000));
		expect(belief.scale).toBe(8);
	});

	test("three answers in a row that hit nothing are a restart, and leave scale and trust as they were", () => {
		const belief = new CacheBelief();
		for (let i = 0; i < 5; i++) belief.observe(all(10_000));
		const before = belief.snapshot();
		expect([0, 48, 0].map((actual) => belief.observe(hit(5_000, actual)))).toEqual(["held", "held", "gone"]);
		expect(belief.snapshot()).toEqual(before);
		expect(belief.observe(all(5_000))).toBe("held");
	});

	test("an engine that never hits is trusted ever less", () => {
		const belief = new CacheBelief();
		for (let i = 0; i < 60; i++) belief.observe(hit(5_000, 0));
		expect(belief.trust).toBeLessThan(0.1);
		for (let i = 0; i < 60; i++) belief.observe(all(5_000));
		expect(belief.trust).toBeGreaterThan(0.9);
	});

	test("a third partial hit in a row says that the rest does not stay there", () => {
		const belief = new CacheBelief();
		const verdicts = Array.from({ length: 4 }, () => belief.observe(hit(8_000, 1_024)));
		expect(verdicts).toEqual(["held", "held", "short", "short"]);
		expect(belief.observe(all(8_000))).toBe("held");
		expect(belief.observe(hit(8_000, 1_024))).toBe("held");
	});

	test("what a sibling had yet to compute is no evidence either way", () => {
		const belief = new CacheBelief();
		for (let i = 0; i < 10; i++) belief.observe({ confirmed: 0, predicted: 8_000, actual: 0 });
		for (let i = 0; i < 10; i++) belief.observe({ confirmed: 0, predicted: 8_000, actual: 8_000 });
		expect([belief.scale, belief.trust]).toEqual([1, 1]);
	});

	test("knows of each kind of answer whether it told since the engine began, over a snapshot too", () => {
		const belief = new CacheBelief();
		belief.told(1);
		const kept = new CacheBelief(belief.snapshot());
		expect([0, 1, 2].map((kind) => kept.tells(kind))).toEqual([false, true, false]);
		kept.forgive();
		expect(kept.tells(1)).toBe(false);
		expect(new CacheBelief([0.5, 100, 50]).snapshot()).toEqual([0.5, 100, 50, 0]);
	});

	test("stays within its bounds and survives JSON, whatever is observed", () => {
		const tokens = fc.oneof(fc.nat(200_000), fc.constantFrom(-1, Number.NaN, Infinity));
		const observation = fc.record({ confirmed: tokens, predicted: tokens, actual: tokens });
		fc.assert(
			fc.property(fc.array(observation, { maxLength: 60 }), (observations) => {
				const belief = new CacheBelief();
				for (const each of observations) belief.observe(each);
				expect(belief.scale).toBeGreaterThanOrEqual(1 / 64);
				expect(belief.scale).toBeLessThanOrEqual(8);
				expect(belief.trust).toBeGreaterThan(0);
				expect(belief.trust).toBeLessThanOrEqual(1);
				const stored: number[] = JSON.parse(JSON.stringify(belief.snapshot()));
				expect(new CacheBelief(stored).snapshot()).toEqual(belief.snapshot());
			}),
		);
	});
});
