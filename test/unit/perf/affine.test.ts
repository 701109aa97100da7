import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AffineFit, type AffinePrior } from "../../../src/shared/perf/affine.ts";
import { normals, throughJson, uniforms } from "./support.ts";

const PRIOR: AffinePrior = { intercept: 0.02, slope: 1e-4, spread: 0.5, noise: 0.4, halfLife: 900 };
const START = 1_800_000_000;

/** `count` observations of a line with log-normal noise of mean one, a second apart, x log-uniform up to 30,000. */
function observed(
	fit: AffineFit,
	line: { intercept: number; slope: number },
	noise: number,
	count: number,
	seed: number,
): number {
	const uniform = uniforms(seed);
	const normal = normals(seed + 1);
	let now = START;
	for (let i = 0; i < count; i++) {
		const x = Math.expm1(uniform() * Math.log(30_000));
		fit.observe(x, (line.intercept + line.slope * x) * Math.exp(noise * normal() - noise ** 2 / 2), ++now);
	}
	return now;
}

function off(value: number, truth: number): number {
	return Math.abs(Math.log(value / truth));
}

describe("learning", () => {
	test.each([
		[0.02, 1e-4],
		[0.1, 1e-4],
		[0.02, 5e-4],
		[0.005, 2e-5],
		[0.4, 2e-3],
		[0.4, 5e-5],
	])("finds intercept %f and slope %f under 20 %% noise", (intercept, slope) => {
		const errors = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
			const fit = new AffineFit(PRIOR);
			const read = fit.read(observed(fit, { intercept, slope }, 0.2, 600, seed * 10));
			return [off(read.intercept, intercept), off(read.slope, slope), read.sigma] as const;
		});
		for (const [c, s] of errors) {
			expect(c).toBeLessThan(0.35);
			expect(s).toBeLessThan(0.35);
		}
		const mean = (index: 0 | 1 | 2): number => errors.reduce((sum, row) => sum + row[index], 0) / errors.length;
		expect(mean(0)).toBeLessThan(0.15);
		expect(mean(1)).toBeLessThan(0.15);
		expect(mean(2)).toBeGreaterThan(0.17);
		expect(mean(2)).toBeLessThan(0.3);
	});

	test("where one term hardly shows, predictions are right even though that coefficient stays near its prior", () => {
		const truth = { intercept: 0.4, slope: 5e-6 };
		for (const seed of [1, 2, 3, 4]) {
			const fit = new AffineFit(PRIOR);
			const read = fit.read(observed(fit, truth, 0.2, 600, seed));
			for (const x of [0, 1_000, 20_000]) {
				expect(off(read.intercept + read.slope * x, truth.intercept + truth.slope * x)).toBeLessThan(0.25);
			}
		}
	});

	test("tracks the mean, not the median, of noisy observations", () => {
		const fit = new AffineFit(PRIOR);
		const truth = { intercept: 0.05, slope: 2e-4 };
		const logs: number[] = [];
		for (let seed = 0; seed < 20; seed++) {
			const read = fit.read(observed(fit, truth, 0.4, 200, seed * 7));
			logs.push(Math.log((read.intercept + read.slope * 2_000) / (truth.intercept + truth.slope * 2_000)));
		}
		// The median is 0.08 below.
		expect(Math.abs(logs.reduce((sum, value) => sum + value, 0) / logs.length)).toBeLessThan(0.06);
	});

	test("a prior that is wrong by twenty times is left behind within 15 observations", () => {
		for (const factor of [0.05, 20]) {
			for (const seed of [1, 2, 3, 4]) {
				const fit = new AffineFit(PRIOR);
				const truth = { intercept: PRIOR.intercept * factor, slope: PRIOR.slope * factor };
				const read = fit.read(observed(fit, truth, 0.1, 15, seed));
				expect(off(read.intercept + read.slope * 300, truth.intercept + truth.slope * 300)).toBeLessThan(0.5);
			}
		}
	});

	test("what one x cannot tell apart is left open for others to tell", () => {
		const fit = new AffineFit(PRIOR);
		const truth = { intercept: PRIOR.intercept, slope: 8 * PRIOR.slope };
		let now = START;
		for (let i = 0; i < 50; i++) fit.observe(200, truth.intercept + truth.slope * 200, ++now);
		const { intercept, slope } = fit.read(now);
		expect(off(intercept + slope * 200, truth.intercept + truth.slope * 200)).toBeLessThan(0.1);
		for (let i = 0; i < 4; i++) fit.observe(20_000, truth.intercept + truth.slope * 20_000, ++now);
		const read = fit.read(now);
		expect(off(read.slope, truth.slope)).toBeLessThan(0.1);
		// The intercept was not observed again, and comes down because their sum at 200 is known.
		expect(read.intercept).toBeLessThan(0.65 * intercept);
		expect(off(read.intercept + read.slope * 200, truth.intercept + truth.slope * 200)).toBeLessThan(0.2);
	});

	test("a few wild outliers do not carry it away", () => {
		const fit = new AffineFit(PRIOR);
		let now = observed(fit, PRIOR, 0.1, 200, 5);
		for (let i = 0; i < 3; i++) fit.observe(1_000, 600, ++now);
		const read = fit.read(now);
		expect(read.intercept + read.slope * 1_000).toBeLessThan(2 * 0.12);
	});

	test("follows a replica that becomes three times slower", () => {
		const fit = new AffineFit(PRIOR);
		let now = observed(fit, PRIOR, 0.1, 300, 5);
		for (let i = 0; i < 12; i++) fit.observe(1_000, 0.36, ++now);
		expect(off(fit.read(now).intercept + fit.read(now).slope * 1_000, 0.36)).toBeLessThan(0.1);
	});
});

describe("forgetting", () => {
	test("each half-life without observations halves the distance to the prior, in ln; uncertainty and noise go back too", () => {
		const fit = new AffineFit(PRIOR);
		const fresh = fit.read(START);
		const now = observed(fit, { intercept: 0.2, slope: 1e-3 }, 0.1, 300, 9);
		const before = fit.read(now);
		expect(before.sigma).toBeLessThan(fresh.sigma / 2);
		for (const k of [1, 2, 3, 10]) {
			const later = fit.read(now + k * PRIOR.halfLife);
			expect(Math.log(later.slope / PRIOR.slope)).toBeCloseTo(Math.log(before.slope / PRIOR.slope) / 2 ** k, 9);
			expect(Math.log(later.intercept / PRIOR.intercept)).toBeCloseTo(
				Math.log(before.intercept / PRIOR.intercept) / 2 ** k,
				9,
			);
			expect(later.sigma).toBeGreaterThan(before.sigma);
		}
		const end = fit.read(now + 40 * PRIOR.halfLife);
		expect(end.slope).toBeCloseTo(fresh.slope, 9);
		expect(end.sigma).toBeCloseTo(fresh.sigma, 6);
	});

	test("a replica that was ten times too slow looks under 3.3 times too slow after one half-life", () => {
		const fit = new AffineFit(PRIOR);
		const now = observed(fit, { intercept: 0.2, slope: 1e-3 }, 0.1, 100, 9);
		expect(fit.read(now + PRIOR.halfLife).slope).toBeLessThan(3.3 * PRIOR.slope);
	});
});

const hostile = fc.oneof(
	fc.double(),
	fc.constantFrom(NaN, Infinity, -Infinity, 0, -0, -1, Number.MAX_VALUE, Number.MIN_VALUE, 1e300, 1e-300),
	fc.double({ min: 0, max: 1e5, noNaN: true }),
);

describe("whatever comes", () => {
	test("estimates stay finite and within their bounds", () => {
		const floors = { ...PRIOR, slopeMin: 5e-5, interceptMin: 0.001 };
		fc.assert(
			fc.property(fc.array(fc.tuple(hostile, hostile, hostile), { maxLength: 60 }), hostile, (steps, last) => {
				for (const prior of [PRIOR, floors]) {
					const fit = new AffineFit(prior);
					for (const [x, y, now] of steps) {
						const taken = fit.observe(x, y, now);
						expect(taken).toBe(x >= 0 && x < Infinity && y > 0 && y < Infinity);
					}
					const { intercept, slope, sigma } = fit.read(last);
					const within = (value: number, mean: number, least: number): void => {
						expect(value).toBeGreaterThanOrEqual(Math.max(mean / 1_000, least) * (1 - 1e-9));
						expect(value).toBeLessThanOrEqual(mean * 1_000 * (1 + 1e-9));
					};
					within(intercept, prior.intercept, prior === floors ? floors.interceptMin : 0);
					within(slope, prior.slope, prior === floors ? floors.slopeMin : 0);
					expect(sigma).toBeGreaterThan(0);
					expect(sigma).toBeLessThan(2.2);
				}
			}),
		);
	});

	test("a snapshot through JSON goes on identically", () => {
		fc.assert(
			fc.property(fc.integer(), fc.integer({ min: 0, max: 50 }), (seed, count) => {
				const fit = new AffineFit(PRIOR);
				const now = observed(fit, { intercept: 0.05, slope: 3e-4 }, 0.3, count, seed);
				const copy = new AffineFit(PRIOR, throughJson(fit.snapshot()));
				for (const at of [now, now + 100]) expect(copy.read(at)).toEqual(fit.read(at));
				fit.observe(500, 0.3, now + 5);
				copy.observe(500, 0.3, now + 5);
				expect(copy.snapshot()).toEqual(fit.snapshot());
			}),
		);
	});

	test("a damaged snapshot is left out or brought into bounds", () => {
		const fresh = new AffineFit(PRIOR).read(START);
		for (const bad of ["[]", "[1,2]", "[null,0,0,0,0,0,0,0,0,0]", "{}", "null", '"0123456789"']) {
			expect(new AffineFit(PRIOR, throughJson([0], bad)).read(START)).toEqual(fresh);
		}
		const wild = new AffineFit(PRIOR, [START, 500, -500, -3, 1e9, 1e9, -1, -1, 1e9, 99]);
		const { intercept, slope, sigma } = wild.read(START);
		expect(intercept).toBeCloseTo(PRIOR.intercept * 1_000, 6);
		expect(slope).toBeCloseTo(PRIOR.slope / 1_000, 12);
		expect(sigma).toBeLessThan(1);
		expect(wild.observe(100, 0.1, START + 1)).toBe(true);
		expect(Number.isFinite(wild.read(START + 1).slope)).toBe(true);
	});

	test("a clock that goes back is harmless: it forgets nothing then, and goes on forgetting after", () => {
		const fit = new AffineFit(PRIOR);
		const now = observed(fit, { intercept: 0.1, slope: 5e-4 }, 0.1, 200, 4);
		const before = fit.read(now);
		expect(fit.read(now - 1e6)).toEqual(before);
		const mean = before.intercept + before.slope * 1_000;
		fit.observe(1_000, mean, now - 1e6);
		const after = fit.read(now - 1e6);
		expect(off(after.slope, before.slope)).toBeLessThan(0.02);
		expect(off(fit.read(now - 1e6 + PRIOR.halfLife).slope, PRIOR.slope)).toBeCloseTo(
			off(after.slope, PRIOR.slope) / 2,
			9,
		);
	});

	test("observations without a clock are taken at the last known time", () => {
		const fit = new AffineFit(PRIOR);
		const now = observed(fit, { intercept: 0.1, slope: 5e-4 }, 0.1, 200, 4);
		fit.observe(1_000, 0.6, NaN);
		expect(fit.snapshot()[0]).toBe(now);
	});
});
