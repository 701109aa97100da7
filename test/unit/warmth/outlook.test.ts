import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Demand } from "../../../src/shared/warmth/demand.ts";
import { expectedMiss, missed } from "../../../src/shared/warmth/misses.ts";
import { Outlook, type Stakes } from "../../../src/shared/warmth/outlook.ts";
import { seeded } from "../../simulator/random.ts";

const NOW = 1_800_000_000;

/** An A100 at RunPod's flex price whose start takes 47 s, where no other pool is known: a wait of 47 s with the default policy. */
const STAKES: Stakes = {
	idleUsdPerSecond: 0.00076,
	startSeconds: 47,
	startUsd: 47 * 0.00076,
	misses: expectedMiss(0.001 * 47 + 0.01 * 45 + 47 * 0.00076),
	mayStart: true,
	idleMin: 0,
};
const LOSS = STAKES.misses.usd;

function demandOf(gaps: readonly number[]): Demand {
	const demand = new Demand();
	let now = NOW;
	demand.arrived(now);
	for (const gap of gaps) demand.arrived((now += gap));
	return demand;
}
const repeated = (gap: number, times = 300) => Array.from({ length: times }, () => gap);
function exponential(mean: number, seed: number, times = 2_000): number[] {
	const rng = seeded(seed);
	return Array.from({ length: times }, () => -mean * Math.log(1 - rng()));
}

describe("requests without memory keep a replica warm as long as they come more often than renting would pay", () => {
	const breakEven = LOSS / STAKES.idleUsdPerSecond;
	test.each([1, 2, 3])("seed %d", (seed) => {
		const often = new Outlook(demandOf(exponential(breakEven / 4, seed)), STAKES);
		expect(often.isWorthKeeping(breakEven / 8, 60)).toBe(true);
		// A bin that few gaps reached is uncertain: as far as nine in ten of the gaps it is kept.
		expect(often.letGoAt(0)).toBeGreaterThan(breakEven / 2);
		const seldom = new Outlook(demandOf(exponential(breakEven * 8, seed)), STAKES);
		expect(seldom.letGoAt(30)).toBeLessThan(breakEven / 2);
		expect(seldom.isWorthKeeping(breakEven, 60)).toBe(false);
	});
});

test("a timer's replica is let go after each request and started before the next", () => {
	const outlook = new Outlook(demandOf(repeated(1_800)), STAKES);
	expect(outlook.letGoAt(0)).toBeLessThan(60);
	const startAt = outlook.startAt(60);
	expect(startAt).toBeGreaterThan(1_200);
	expect(startAt).toBeLessThan(1_800 - STAKES.startSeconds);
	// Once it is up it stays until the request.
	expect(outlook.letGoAt(startAt + STAKES.startSeconds)).toBeGreaterThan(1_800);
	// And if that did not come, it goes.
	expect(outlook.letGoAt(20_000)).toBe(20_000);
});

test("what cannot be taken back for an hour is not begun for a gap of a minute in ten", () => {
	const outlook = new Outlook(demandOf(exponential(1_500, 7)), STAKES);
	const usd = (seconds: number) => outlook.keptFor(0, seconds);
	expect(usd(3_600)).toBeGreaterThan(usd(60));
});

test("where another pool serves almost as well nothing is kept or started for a rare request", () => {
	const gaps = exponential(300, 5);
	const alone = new Outlook(demandOf(gaps), STAKES);
	const misses = repeated(0.0005).reduce((known, usd) => missed(known, usd, true), STAKES.misses);
	const beside = new Outlook(demandOf(gaps), { ...STAKES, misses });
	expect(beside.lossUsd).toBeLessThan(alone.lossUsd / 100);
	expect(alone.letGoAt(0)).toBeGreaterThan(300);
	expect(beside.letGoAt(0)).toBeLessThan(10);
	expect(beside.startAt(0)).toBe(Infinity);
});

test("the first premium that is seen takes the place of the guess that nobody else can serve", () => {
	const misses = missed(STAKES.misses, 0.0005, true);
	expect(misses.usd).toBeCloseTo(0.0005, 12);
	const two = missed(misses, 0.0015, false);
	expect(two.usd).toBeCloseTo(0.001, 12);
	expect(two.passed).toBe(0.5);
});

test("many small premiums are worth a start all the same", () => {
	const misses = repeated(0.005).reduce((known, usd) => missed(known, usd, true), STAKES.misses);
	const outlook = new Outlook(demandOf(exponential(1, 3)), { ...STAKES, misses });
	expect(outlook.lossUsd).toBeGreaterThan(STAKES.startUsd);
	expect(outlook.letGoAt(0)).toBeGreaterThan(3);
});

test.each([0.2, 1, 5])(
	"premiums under the price of the idle seconds between them are not, one in %d s or not",
	(gap) => {
		const perGap = STAKES.idleUsdPerSecond * gap;
		const passing = (usd: number) => ({
			...STAKES,
			misses: repeated(usd).reduce((known, each) => missed(known, each, true), STAKES.misses),
		});
		const demand = demandOf(exponential(gap, 3));
		const under = new Outlook(demand, passing(perGap / 4));
		expect(under.lossUsd).toBeLessThan(perGap);
		expect(under.startAt(0)).toBe(Infinity);
		expect(under.isWorthKeeping(0, 60)).toBe(false);
		const over = new Outlook(demand, passing(perGap * 4));
		expect(over.lossUsd).toBeGreaterThan(STAKES.startUsd);
		expect(over.isWorthKeeping(gap, 5)).toBe(true);
	},
);

test("one that may not be started early is let go later than one that may", () => {
	const demand = demandOf(repeated(1_800));
	const stays = new Outlook(demand, { ...STAKES, mayStart: false });
	expect(stays.startAt(0)).toBe(Infinity);
	const often = demandOf(repeated(120));
	const starts = new Outlook(often, STAKES).letGoAt(0);
	expect(new Outlook(often, { ...STAKES, mayStart: false }).letGoAt(0)).toBeGreaterThan(starts);
});

test("a start is not made for what its forced idle time costs more than the loss", () => {
	const demand = demandOf(exponential(20_000, 4, 500));
	const dear = { ...STAKES, idleUsdPerSecond: 0.01 };
	for (const elapsed of [100, 1_000, 10_000])
		expect(new Outlook(demand, { ...dear, idleMin: 3_600 }).startAt(elapsed)).toBe(Infinity);
});

describe("on gaps of the kind that it has seen", () => {
	/** USD a request of letting it go at `letGo` seconds and starting it at `start` (both since the last request). */
	function played(gaps: readonly number[], letGo: number, start: number): number {
		const { idleUsdPerSecond, startSeconds, startUsd } = STAKES;
		let usd = 0;
		for (const gap of gaps) {
			usd += idleUsdPerSecond * Math.min(gap, letGo);
			if (gap <= letGo) continue;
			if (gap <= start) usd += LOSS;
			else if (gap <= start + startSeconds) usd += startUsd + LOSS * (1 - (gap - start) / startSeconds);
			else usd += startUsd + idleUsdPerSecond * (gap - start - startSeconds);
		}
		return usd / gaps.length;
	}

	test("it costs hardly more than the best that can be done with a fixed time-out, in hindsight", () => {
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), fc.integer({ min: 1, max: 4 })), {
					minLength: 1,
					maxLength: 3,
				}),
				fc.integer({ min: 1, max: 1_000 }),
				(kinds, seed) => {
					const rng = seeded(seed);
					const gaps = Array.from({ length: 3_000 }, () => {
						const [log, spread] = kinds[Math.floor(rng() * kinds.length)]!;
						return Math.exp(log) * (1 + (spread / 10) * (rng() - 0.5));
					});
					const outlook = new Outlook(demandOf(gaps.slice(0, 1_500)), STAKES);
					const letGo = outlook.letGoAt(0);
					const ours = played(gaps.slice(1_500), letGo, letGo === Infinity ? Infinity : outlook.startAt(letGo));
					const fixed = [0, 5, 60, 300, 900, 3_600, Infinity].map((seconds) =>
						played(gaps.slice(1_500), seconds, Infinity),
					);
					expect(ours).toBeLessThan(1.15 * Math.min(...fixed) + 1e-4);
				},
			),
			{ numRuns: 200 },
		);
	});
});

describe("what is remembered", () => {
	test("how many come within a time of one another: a burst's end is not the next one's beginning", () => {
		const bursts = Array.from({ length: 40 }, () => [1, 1, 1, 1, 1, 500]).flat();
		// After the first of six come five, after the last none.
		expect(demandOf(bursts).within(50)).toBeCloseTo(2.5, 0.5);
		expect(demandOf(repeated(2)).within(51)).toBe(25);
		expect(demandOf([1, 1, 1]).within(50)).toBeNull();
		// As if each gap was like the first, a start of 47 s would meet forty.
		const misses = repeated(0.001).reduce((known, usd) => missed(known, usd, true), STAKES.misses);
		const outlook = new Outlook(demandOf(bursts), { ...STAKES, misses });
		expect(outlook.lossUsd).toBeLessThan(STAKES.startUsd + 5 * 0.001);
	});

	test("whether enough come after a start that begins with one of them: not when its burst is over by then", () => {
		const misses = repeated(0.005).reduce((known, usd) => missed(known, usd, true), STAKES.misses);
		const lasts = (gaps: readonly number[]) => new Outlook(demandOf(gaps), { ...STAKES, misses }).outlastsStart;
		const burst = (length: number) => [...repeated(1, length), 2_000];
		expect(lasts(repeated(1, 500))).toBe(true);
		expect(lasts(Array.from({ length: 20 }, () => burst(20)).flat())).toBe(false);
		expect(lasts(Array.from({ length: 4 }, () => burst(120)).flat())).toBe(true);
		// Nobody can tell yet.
		expect(lasts([1, 1, 2_000, 1])).toBe(true);
	});

	test("outlives the object that learned it, and junk counts as nothing", () => {
		const demand = demandOf(repeated(300));
		const again = new Demand(JSON.parse(JSON.stringify(demand.stored())));
		expect(again.stored()).toEqual(demand.stored());
		for (const bins of [
			[1, 2],
			[1, Number.NaN, 2],
			[1_000, 1, 1],
			[0.5, 1, 1],
			[1, -1, 1],
		])
			expect(new Demand({ lastAt: NOW, bins }).stored()).toEqual(new Demand().stored());
	});

	test("a clock that goes back by a little stands still; one that was ahead begins anew", () => {
		const demand = demandOf([10]);
		demand.arrived(NOW + 9.5);
		expect(demand.elapsed(NOW + 9.6)).toBe(0);
		expect(demand.elapsed(NOW + 15)).toBe(5);
		demand.arrived(NOW + 36_000);
		const before = demand.stored().bins;
		demand.arrived(NOW + 60);
		expect(demand.stored().bins).toEqual(before);
		expect(demand.elapsed(NOW + 660)).toBe(600);
	});

	test("bins meet", () => {
		fc.assert(
			fc.property(fc.double({ min: 0, max: 100_000, noNaN: true }), (elapsed) => {
				const { from, to, hazard } = new Demand().bin(Demand.binAt(elapsed));
				expect(from).toBeLessThanOrEqual(elapsed * (1 + 1e-9));
				expect(to).toBeGreaterThan(elapsed * (1 - 1e-9));
				expect(hazard).toBeGreaterThan(0);
			}),
		);
	});
});
