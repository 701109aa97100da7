import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	coldLaw,
	coldTimePrior,
	observeColdTime,
	restoredColdTime,
	storedColdTime,
} from "../../../src/shared/warmth/cold-time.ts";
import { quantileAt } from "../../../src/shared/warmth/log-normal.ts";
import { normals, throughJson } from "../perf/support.ts";
import { between } from "./support.ts";

const median = (known: ReturnType<typeof coldTimePrior>, others = 0) => quantileAt(coldLaw(known, others), 0);

describe("before any start was seen", () => {
	// Rows of the A4000 in gpu_cold_start_points.csv, which the prior was not made from: cold_load and wake_L1 of Qwen3-0.6B
	// (1.2 GB) and Phi-3-vision (8.4 GB).
	test.each([
		["cold", 1.2, 21],
		["cold", 8.4, 46.017],
		["sleep_1", 1.2, 0.103],
		["sleep_1", 8.4, 0.8],
	] as const)("%s of %d GB is within 2.5 standard deviations of %d s", (kind, gigabytes, measured) => {
		const law = coldLaw(coldTimePrior(kind, gigabytes), 0);
		expect(Math.abs(Math.log(measured) - law.mu) / law.sigma).toBeLessThan(2.5);
	});

	test("a larger model takes longer, and waking less than loading", () => {
		expect(median(coldTimePrior("cold", 140))).toBeGreaterThan(median(coldTimePrior("cold", 16)));
		expect(median(coldTimePrior("sleep_1", 16))).toBeLessThan(median(coldTimePrior("sleep_2", 16)));
		expect(median(coldTimePrior("sleep_2", 16))).toBeLessThan(median(coldTimePrior("cold", 16)));
	});

	test("the operator's figure is the median, and believed more", () => {
		const stated = coldTimePrior("cold", 16, 9);
		expect(median(stated)).toBeCloseTo(9, 9);
		expect(stated.variance).toBeLessThan(coldTimePrior("cold", 16).variance);
	});
});

describe("learning", () => {
	test("thirty starts set the median and the spread, whatever the prior said", () => {
		const normal = normals(3);
		let known = coldTimePrior("cold", 16);
		for (let n = 0; n < 30; n++) known = observeColdTime(known, 460 * Math.exp(0.2 * normal()), 0);
		expect(median(known)).toBeGreaterThan(400);
		expect(median(known)).toBeLessThan(530);
		expect(coldLaw(known, 0).sigma).toBeLessThan(0.35);
	});

	test("one wild start among many does not", () => {
		let known = coldTimePrior("cold", 16);
		for (let n = 0; n < 20; n++) known = observeColdTime(known, 20, 0);
		expect(median(observeColdTime(known, 3_000, 0))).toBeLessThan(27);
	});

	test("a start beside others counts as one that would have been shorter alone", () => {
		const prior = coldTimePrior("cold", 16, 40);
		expect(median(prior, 3)).toBeGreaterThan(median(prior));
		const crowded = observeColdTime(prior, median(prior, 3), 3);
		expect(median(crowded)).toBeCloseTo(40, 6);
	});

	test("is finite, and never surer than a start's own spread, whatever comes", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.double(), between(0, 50))), (starts) => {
				let known = coldTimePrior("cold", undefined);
				for (const [seconds, others] of starts) known = observeColdTime(known, seconds, others);
				const law = coldLaw(known, 2);
				expect(Number.isFinite(law.mu)).toBe(true);
				expect(law.sigma).toBeGreaterThanOrEqual(0.05);
				expect(law.sigma).toBeLessThan(3);
			}),
		);
	});
});

test("what was learned survives storage, and damage leaves the prior", () => {
	const prior = coldTimePrior("cold", 16);
	const known = observeColdTime(prior, 100, 0);
	expect(restoredColdTime(prior, throughJson(storedColdTime(known)))).toEqual(known);
	expect(restoredColdTime(prior, [1, 2])).toBe(prior);
	expect(restoredColdTime(prior, undefined)).toBe(prior);
});
