import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestRuns } from "../../../../bench/warmth/bound/best-runs.ts";
import { leastUsd, lowerBound } from "../../../../bench/warmth/bound/bound.ts";
import { needOf } from "../../../../bench/warmth/bound/needs.ts";
import { FLEETS } from "../../../../bench/warmth/fleet.ts";
import { metricsOf } from "../../../../bench/warmth/metrics.ts";
import { POLICIES } from "../../../../bench/warmth/policies/all.ts";
import { simulate } from "../../../../bench/warmth/simulate.ts";
import { allTo, fleetWith, randomTraffic, setupOf, SLOW, trafficAt } from "./support.ts";

describe("no policy is under the bound", () => {
	const cases = FLEETS.flatMap((fleet) => [1, 10, 60, 400].map((pause, seed) => ({ fleet, pause, seed })));
	test.each(cases)("$fleet.id, pauses of $pause s", ({ fleet, pause, seed }) => {
		const setup = setupOf(fleet, randomTraffic(100 * seed + pause, 80, pause), seed);
		const lines = lowerBound(setup, 40);
		for (const { id, variants } of POLICIES) {
			for (const { title, create } of variants(fleet)) {
				const { usd, misses, requests } = metricsOf(setup, simulate(setup, create), "second");
				expect(usd, `${id}: ${title}`).toBeGreaterThanOrEqual(leastUsd(lines, misses, requests) - 1e-9);
			}
		}
	});
});

test("it is what it costs where nothing can be done better: the API alone for requests far apart", () => {
	const setup = setupOf(fleetWith(SLOW), trafficAt(0, 5_000, 10_000, 15_000));
	const { usd } = metricsOf(setup, simulate(setup, allTo(-1)), "second");
	expect(leastUsd(lowerBound(setup, 20), 0, 2)).toBeCloseTo(usd, 9);
	// Half of them need not be answered in time.
	expect(leastUsd(lowerBound(setup, 20), 0.5, 2)).toBeCloseTo(usd / 2, 9);
});

test("it is near what a box costs that is always warm, where requests are dense", () => {
	const pool = { ...SLOW, usdPerSecond: 1e-4 };
	const setup = setupOf(fleetWith(pool), trafficAt(...Array.from({ length: 400 }, (_, n) => 3 * n)));
	const warm = allTo(0, ({ boxes: [box] }) => {
		box!.idleTimeout = Infinity;
		box!.wake();
	});
	const { usd, misses, requests } = metricsOf(setup, simulate(setup, warm), "second");
	const least = leastUsd(lowerBound(setup, 40), misses, requests);
	expect(least).toBeLessThanOrEqual(usd + 1e-9);
	expect(least).toBeGreaterThan(0.98 * usd);
});

test("the best runs are those of all ways to divide the requests into runs", () => {
	const need = needOf(SLOW, { at: 0, input: 500, output: 11, blocks: new Int32Array(0), conversation: 0 });
	fc.assert(
		fc.property(
			fc.array(
				fc.record({
					gap: fc.double({ min: 0, max: 60, noNaN: true }),
					gain: fc.double({ min: 0, max: 0.06, noNaN: true }),
				}),
				{ minLength: 1, maxLength: 8 },
			),
			(list) => {
				let now = 50;
				const at = list.map(({ gap }) => (now += gap));
				const gains = Float64Array.from(list, ({ gain }) => gain);
				const options = {
					from: 50,
					at,
					needs: at.map(() => need),
					startSeconds: at.map(() => 20),
					usdPerSecond: 0.001,
				};
				const served = new Uint8Array(at.length);
				const { usd, upSeconds } = bestRuns(gains, options, served);
				expect(usd).toBeCloseTo(bruteForce(gains, options), 9);
				const earned = gains.reduce((sum, gain, k) => sum + (served[k] ? gain : 0), 0);
				expect(earned - 0.001 * upSeconds).toBeCloseTo(usd, 9);
			},
		),
		{ numRuns: 200 },
	);
});

/** Over all sets of requests that end a run or begin one. */
function bruteForce(gains: Float64Array, { from, at, needs, usdPerSecond }: Parameters<typeof bestRuns>[1]): number {
	const best = (next: number): number => {
		let most = 0;
		for (let first = next; first < at.length; first++) {
			for (let last = first; last < at.length; last++) {
				const sum = gains.subarray(first, last + 1).reduce((total, gain) => total + gain, 0);
				const span = at[last]! + needs[last]!.seconds - at[first]!;
				const start = 20 - needs[first]!.slack;
				most = Math.max(most, sum - usdPerSecond * (start + span) + best(last + 1));
				// It may be up from the beginning.
				if (next === 0 && first === 0)
					most = Math.max(most, sum - usdPerSecond * (at[last]! + needs[last]!.seconds - from) + best(last + 1));
			}
		}
		return most;
	};
	return best(0);
}
