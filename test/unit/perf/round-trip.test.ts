import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RoundTrips } from "../../../src/shared/perf/round-trip.ts";
import { throughJson, uniforms } from "./support.ts";

const START = 1_800_000_000;
const PRIOR = 0.02;

describe("round trips", () => {
	test("are the catalog's until the pair was seen", () => {
		const trips = new RoundTrips();
		trips.observe("FRA", "a", 0.2, START);
		expect(trips.expected("FRA", "b", PRIOR, START)).toBe(PRIOR);
		expect(trips.expected("NRT", "a", PRIOR, START)).toBe(PRIOR);
		expect(trips.expected("FRA", "a", PRIOR, START)).toBe(0.2);
	});

	test("are the low end of what is seen, however much else holds requests up", () => {
		const trips = new RoundTrips();
		const uniform = uniforms(7);
		let now = START;
		for (let i = 0; i < 300; i++)
			trips.observe("FRA", "a", 0.12 + (uniform() < 0.2 ? 0.02 * uniform() : 3 * uniform()), ++now);
		const seen = trips.expected("FRA", "a", PRIOR, now);
		expect(seen).toBeGreaterThanOrEqual(0.12);
		expect(seen).toBeLessThan(0.14);
	});

	test("rise, slowly, when the way has become longer", () => {
		const trips = new RoundTrips();
		trips.observe("FRA", "a", 0.05, START);
		let now = START;
		while (now < START + 600) trips.observe("FRA", "a", 0.2, (now += 10));
		expect(trips.expected("FRA", "a", PRIOR, now)).toBeLessThan(0.07);
		while (now < START + 3_700) trips.observe("FRA", "a", 0.2, (now += 10));
		expect(trips.expected("FRA", "a", PRIOR, now)).toBe(0.2);
	});

	test("go back to the catalog's when nothing is seen, so that a pool that once looked far is tried again", () => {
		const trips = new RoundTrips();
		trips.observe("FRA", "a", 0.9, START);
		const after = (seconds: number): number => trips.expected("FRA", "a", PRIOR, START + seconds);
		expect(after(1_800)).toBeCloseTo((0.9 + PRIOR) / 2, 9);
		expect(after(86_400)).toBeCloseTo(PRIOR, 6);
	});

	test("keep the pairs that were seen last", () => {
		const trips = new RoundTrips(3);
		for (const pool of ["a", "b", "c"]) trips.observe("FRA", pool, 0.5, START);
		trips.observe("FRA", "a", 0.5, START);
		trips.observe("FRA", "d", 0.5, START);
		expect(["a", "b", "c", "d"].map((pool) => trips.expected("FRA", pool, PRIOR, START))).toEqual([
			0.5,
			PRIOR,
			0.5,
			0.5,
		]);
		expect(trips.snapshot()).toHaveLength(3);
	});

	test("any input: between a tenth of a millisecond and a second; the snapshot predicts the same", () => {
		const number = fc.oneof(
			fc.double(),
			fc.constantFrom(NaN, Infinity, -Infinity, -1, 0),
			fc.double({ min: 0, max: 10, noNaN: true }),
		);
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.string(), fc.string(), number, number)), number, number, (all, prior, now) => {
				const trips = new RoundTrips(20);
				for (const [edge, pool, seconds, at] of all) trips.observe(edge, pool, seconds, at);
				const copy = new RoundTrips(20, throughJson(trips.snapshot()));
				for (const [edge, pool] of all) {
					const seconds = trips.expected(edge, pool, prior, now);
					expect(seconds).toBeGreaterThanOrEqual(0.0001);
					expect(seconds).toBeLessThanOrEqual(1);
					expect(copy.expected(edge, pool, prior, now)).toBe(seconds);
				}
			}),
		);
	});

	test("a clock that goes back neither raises nor forgets", () => {
		const trips = new RoundTrips();
		trips.observe("FRA", "a", 0.1, START);
		expect(trips.expected("FRA", "a", PRIOR, START - 1e6)).toBe(0.1);
		trips.observe("FRA", "a", 0.3, START - 1e6);
		expect(trips.expected("FRA", "a", PRIOR, START - 1e6)).toBe(0.1);
	});
});
