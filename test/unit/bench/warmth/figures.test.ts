import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Frontier, undominated } from "../../../../bench/warmth/frontier.ts";
import { chart } from "../../../../bench/warmth/plot.ts";
import { IdleHistogram } from "../../../../bench/warmth/policies/idle-histogram.ts";
import { LUCK_SECONDS, StartTimes } from "../../../../bench/warmth/start-times.ts";
import { parseAzure, slowed } from "../../../../bench/warmth/traffic/azure.ts";
import { arrivalsOf, parseRates, WINDOW_SECONDS } from "../../../../bench/warmth/traffic/servegen.ts";
import { timerArrivals } from "../../../../bench/warmth/traffic/timers.ts";
import { seeded } from "../../../simulator/random.ts";

describe("a frontier", () => {
	const points = [
		{ usd: 1, misses: 0.5 },
		{ usd: 2, misses: 0.1 },
		{ usd: 2.5, misses: 0.2 },
		{ usd: 4, misses: 0 },
	];

	test("is what can be had by taking turns, down to answering nobody", () => {
		const frontier = new Frontier(points);
		expect(frontier.hull).toEqual([{ usd: 0, misses: 1 }, points[0], points[1], points[3]]);
		expect(frontier.usdAt(0.05)).toBeCloseTo(3, 12);
		expect(frontier.missesAt(3)).toBeCloseTo(0.05, 12);
		expect(frontier.usdAt(0.75)).toBeCloseTo(0.5, 12);
		expect(frontier.missesAt(100)).toBe(0);
		expect(new Frontier(points.slice(0, 3)).usdAt(0.05)).toBe(Infinity);
		expect(new Frontier(points, 0.5).missesAt(0.4)).toBe(1);
	});

	test("lies under all points, and is convex", () => {
		const point = fc.record({
			usd: fc.integer({ min: 1, max: 1_000 }).map((cents) => cents / 100),
			misses: fc.integer({ min: 0, max: 1_000 }).map((each) => each / 1_000),
		});
		fc.assert(
			fc.property(fc.array(point, { minLength: 1, maxLength: 12 }), (all) => {
				const frontier = new Frontier(all);
				for (const { usd, misses } of all) {
					expect(frontier.usdAt(misses)).toBeLessThanOrEqual(usd + 1e-9);
					expect(frontier.missesAt(usd)).toBeLessThanOrEqual(misses + 1e-9);
				}
				const slopes = frontier.hull.slice(1).map((b, n) => {
					const a = frontier.hull[n]!;
					return (b.misses - a.misses) / (b.usd - a.usd);
				});
				slopes.slice(1).forEach((slope, n) => expect(slope).toBeGreaterThanOrEqual(slopes[n]! - 1e-9));
				expect(undominated(all, (each) => each).length).toBeGreaterThan(0);
			}),
		);
	});
});

describe("the hybrid histogram", () => {
	const options = { headPercentile: 5, tailPercentile: 99 };

	test("keeps for all of its range before it knows anything, and while idle times are all over it", () => {
		const histogram = new IdleHistogram(options);
		expect(histogram.windows()).toEqual({ prewarm: 0, keep: 14_400 });
		for (let minute = 0; minute < 240; minute++) histogram.observe(60 * minute + 30);
		expect(histogram.windows()).toEqual({ prewarm: 0, keep: 14_400 });
	});

	test("starts again a tenth before the head and keeps a tenth beyond the tail", () => {
		const histogram = new IdleHistogram(options);
		for (let n = 0; n < 100; n++) histogram.observe(n < 50 ? 610 : 910);
		const { prewarm, keep } = histogram.windows();
		expect(prewarm).toBeCloseTo(0.9 * 600, 9);
		expect(prewarm + keep).toBeCloseTo(1.1 * 960, 9);
	});

	test("forecasts where most idle times are out of its bounds", () => {
		const histogram = new IdleHistogram(options);
		for (let n = 0; n < 10; n++) histogram.observe(20_000);
		expect(histogram.windows()).toEqual({ prewarm: expect.closeTo(17_000, 6), keep: expect.closeTo(6_000, 6) });
	});
});

describe("starts", () => {
	const measured = {
		loads: [46],
		weights: [1],
		platform: [
			[0, 0],
			[0.5, 2],
			[1, 40],
		] as const,
	};

	test("are the same for whoever causes them, and never under what a bound takes for the least", () => {
		const starts = new StartTimes(measured, 3);
		const again = new StartTimes(measured, 3);
		fc.assert(
			fc.property(fc.double({ min: 0, max: 100_000, noNaN: true }), (at) => {
				const seconds = starts.alone(0, "process", at);
				expect(again.alone(0, "process", at)).toBe(seconds);
				// A start that is over at `at` began that much before, and no later than the goal after it.
				expect(starts.least(0, "process", at + seconds)).toBeLessThanOrEqual(seconds);
				expect(starts.least(0, "process", at - 2)).toBeLessThanOrEqual(seconds);
			}),
		);
	});

	test("are spread as what was measured, and longer behind a slow look", () => {
		const starts = new StartTimes(measured, 5);
		const mean = (kind: "process" | "snapshot" | "endpoint") =>
			Array.from({ length: 2_000 }, (_, n) => starts.alone(0, kind, n * LUCK_SECONDS)).reduce((a, b) => a + b) / 2_000;
		// The mean of the platform's quantiles is 11 s.
		expect(mean("process")).toBeCloseTo(46 * Math.exp(0.15 ** 2 / 2) + 11, -0.5);
		expect(mean("snapshot")).toBeCloseTo(1 + 11, -0.5);
		expect(mean("endpoint") - mean("process")).toBeCloseTo(30, -0.5);
	});
});

describe("traffic", () => {
	test("Azure's rows are read to a ten-millionth of a second, and slowed to a rate", () => {
		const text =
			"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:18:04.0319600,3180,8\n";
		const rows = parseAzure(text);
		expect(rows).toEqual([
			{ at: 0, input: 4_808, output: 10 },
			{ at: expect.closeTo(60.052, 6), input: 3_180, output: 8 },
		]);
		const many = Array.from({ length: 1_000 }, (_, n) => ({ at: n, input: 1, output: 1 }));
		const kept = slowed(many, 500, 0.1, seeded(1));
		expect(kept.length).toBeGreaterThan(430);
		expect(kept.length / kept.at(-1)!.at).toBeCloseTo(0.1, 2);
		expect(() => parseAzure("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n")).toThrow(
			/not time and two numbers/,
		);
	});

	test("ServeGen's clients send as many as their windows say, each an equal share, and other pools' nothing", () => {
		const header = "pool,client,window_start_s,rate_rps,cv,arrival,shape_a,shape_b";
		const rows = Array.from({ length: 2_016 }, (_, n) => [
			`m-large,1,${n * WINDOW_SECONDS},${n % 2 === 0 ? 0.2 : 0},1,Gamma,0.5,10`,
			`m-large,2,${n * WINDOW_SECONDS},0.001,1,Weibull,0.7,100`,
			`m-mid,3,${n * WINDOW_SECONDS},9,1,Gamma,1,1`,
		]).flat();
		const windows = parseRates([header, ...rows].join("\n"), "m-large");
		expect(windows).toHaveLength(1_008 + 2_016);
		const arrivals = arrivalsOf(windows, 4_000, 0.1, seeded(2));
		expect(arrivals.length).toBeGreaterThan(3_800);
		expect(arrivals.length).toBeLessThan(4_200);
		const first = arrivals.filter(({ client }) => client === 0).length;
		expect(first / arrivals.length).toBeCloseTo(0.5, 1);
		arrivals.slice(1).forEach(({ at }, n) => expect(at).toBeGreaterThanOrEqual(arrivals[n]!.at));
	});

	test("timers come in their periods, with an equal share each, in ticks of at most eight", () => {
		const arrivals = timerArrivals(20_000, 0.5, seeded(3));
		expect(arrivals.length / 20_000).toBeCloseTo(1, 1);
		const [busiest] = [...Map.groupBy(arrivals, ({ client }) => client)].map(([, own]) => own);
		const ticks = Map.groupBy(busiest!, ({ at }) => Math.round((at - busiest![0]!.at) / 5.5));
		expect(Math.max(...[...ticks.values()].map((each) => each.length))).toBeLessThanOrEqual(9);
	});
});

test("a chart holds every line and no number that is none", () => {
	const line = {
		title: "Isobar",
		colour: "#c00",
		width: 3,
		points: [
			{ usd: 1, misses: 0.1 },
			{ usd: 2, misses: 0 },
		],
	};
	const svg = chart("code <1>", [line, { ...line, title: "bound", points: [] }]);
	expect(svg).toContain("code &lt;1");
	expect(svg.match(/<polyline/g)).toHaveLength(2);
	expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
