import { describe, expect, test } from "vitest";
import type { Span } from "../../../../bench/warmth/box.ts";
import { apiUsd, FLEETS } from "../../../../bench/warmth/fleet.ts";
import { metricsOf } from "../../../../bench/warmth/metrics.ts";
import { POLICIES } from "../../../../bench/warmth/policies/all.ts";
import { API, simulate, type Outcome, type Setup } from "../../../../bench/warmth/simulate.ts";
import { allTo, fleetWith, randomTraffic, setupOf, SLOW, trafficAt } from "./support.ts";

const seconds = (spans: readonly Span[]): number => spans.reduce((sum, [from, to]) => sum + to - from, 0);

describe("one box", () => {
	test("is paid from the beginning of a start until its idle time is over, and again", () => {
		const setup = setupOf(fleetWith(SLOW), trafficAt(100, 1_000));
		const outcome = simulate(setup, allTo(0));
		const start = setup.starts.alone(0, "process", 100);
		expect(start).toBeGreaterThan(12);
		expect(start).toBeLessThan(32);
		// Half a second of prompt and a step, then ten tokens more.
		expect(outcome.ttft[0]).toBeCloseTo(start + 0.6, 6);
		expect(outcome.seconds[0]).toBeCloseTo(start + 1.6, 6);
		const [first, second] = outcome.boxes[0]!.ups;
		expect(first).toEqual([100, expect.closeTo(100 + start + 1.6 + 30, 6)]);
		// What nobody waits for any more is not paid for.
		expect(second![1]).toBeCloseTo(outcome.endedAt, 6);
		expect(outcome.boxes[0]!.boots[0]).toEqual([100, expect.closeTo(100 + start, 6)]);
		expect(seconds(outcome.boxes[0]!.idles)).toBeCloseTo(30, 6);
		expect([...outcome.metStart]).toEqual([1, 1]);
	});

	test("starts once for all who come meanwhile, and is warm for who comes in time", () => {
		const setup = setupOf(fleetWith(SLOW), trafficAt(100, 101, 102, 140));
		const { boxes, metStart, ttft } = simulate(setup, allTo(0));
		expect(boxes[0]!.ups).toHaveLength(1);
		expect([...metStart]).toEqual([1, 1, 1, 0]);
		expect(ttft[3]).toBeCloseTo(0.6, 6);
	});

	test("that refuses is only started by a request, which is sent again", () => {
		const pool = { ...SLOW, zero: { ...SLOW.zero!, refuses: true } };
		const setup = setupOf(fleetWith(pool), trafficAt(100, 140));
		const outcome = simulate(setup, (world) => ({
			arrive: (id) => world.send(id, 0),
			onRefused: (id) => world.send(id, API),
		}));
		expect([...outcome.to]).toEqual([API, 0]);
		expect([...outcome.metStart]).toEqual([1, 0]);
		expect(outcome.ttft[0]).toBeGreaterThan(0.05);
	});

	test("is kept by a touch and let go by a word", () => {
		const setup = setupOf(fleetWith(SLOW), trafficAt(100, 400));
		const act = (at: number, what: "touch" | "letGo") =>
			simulate(
				setup,
				allTo(0, ({ clock, boxes }) => clock.schedule(at, () => boxes[0]![what]())),
			).boxes[0]!.ups[0]![1];
		const without = simulate(setup, allTo(0)).boxes[0]!.ups[0]![1];
		const touchedAt = without - 10;
		expect(act(touchedAt, "touch")).toBeCloseTo(touchedAt + 30, 6);
		expect(act(touchedAt, "letGo")).toBeCloseTo(touchedAt, 6);
		// While it is in use neither does anything.
		expect(act(without - 30.5, "letGo")).toBeCloseTo(without, 6);
	});

	test("takes longer to start beside another of its provider that starts", () => {
		const other = { ...SLOW, id: "other" };
		const setup = setupOf(fleetWith(SLOW, other), trafficAt(100));
		const { boxes } = simulate(
			setup,
			allTo(0, ({ boxes: [, second], clock }) => clock.schedule(99.9, () => second!.wake())),
		);
		expect(seconds(boxes[0]!.boots)).toBeCloseTo(2 ** 0.3 * setup.starts.alone(0, "process", 100), 6);
	});

	test("that is reserved is always warm, and paid for in every second", () => {
		const setup = setupOf(fleetWith({ ...SLOW, zero: null }), trafficAt(0, 1_000, 2_000, 3_000));
		const outcome = simulate(setup, allTo(0));
		expect([...outcome.metStart]).toEqual([0, 0, 0, 0]);
		expect(metricsOf(setup, outcome, "first").usd).toBeCloseTo(2, 6);
		expect(metricsOf(setup, outcome, "second").usd).toBeCloseTo(1 + 0.0016, 6);
	});
});

test("a request that fails misses the goal, and costs nothing", () => {
	const setup = setupOf(fleetWith(SLOW), trafficAt(0, 1));
	const outcome = simulate(setup, (world) => ({ arrive: (id) => world.fail(id) }));
	expect(metricsOf(setup, outcome, "second")).toMatchObject({ misses: 1, failed: 1, usd: 0, p99: Infinity });
});

describe("whatever a policy does", () => {
	const setups = FLEETS.flatMap((fleet) =>
		[3, 30, 300].map((pause) => setupOf(fleet, randomTraffic(pause, 120, pause), pause)),
	);

	/** Of each policy a few of its variants, the last among them. */
	function outcomes(setup: Setup): { name: string; outcome: Outcome }[] {
		return POLICIES.flatMap(({ id, variants }) => {
			const all = variants(setup.fleet);
			const some = all.filter((_, n) => n % 17 === 0 || n === all.length - 1);
			return some.map(({ title, create }) => ({ name: `${id}: ${title}`, outcome: simulate(setup, create) }));
		});
	}

	test.each(setups)("each request ends once, and the bill is for what was up", (setup) => {
		const { requests } = setup.traffic;
		for (const { name, outcome } of outcomes(setup)) {
			requests.forEach((request, id) => {
				const [ttft, whole, to] = [outcome.ttft[id]!, outcome.seconds[id]!, outcome.to[id]!];
				expect(ttft, name).toBeGreaterThan(0);
				expect(whole, name).toBeGreaterThanOrEqual(ttft);
				if (to < 0) return;
				const { spec, ups, boots } = outcome.boxes[to]! as (typeof outcome.boxes)[number] & { spec: typeof SLOW };
				expect(ttft, name).toBeGreaterThan(request.input / spec.engine.prefillTokensPerSecond);
				if (!spec.zero) return;
				// It was up from before the first token until after the last, and not only starting.
				const [first, last] = [request.at + ttft, request.at + whole];
				expect(
					ups.some(([from, until]) => from < first && until >= last - 1e-9),
					name,
				).toBe(true);
				expect(
					boots.some(([from, until]) => from < first && first < until),
					name,
				).toBe(false);
			});
			for (const { ups, boots, idles } of outcome.boxes) {
				ups.forEach(([from, to], n) => {
					expect(to, name).toBeGreaterThanOrEqual(from);
					if (n > 0) expect(from, name).toBeGreaterThanOrEqual(ups[n - 1]![1]);
				});
				expect(seconds(boots) + seconds(idles), name).toBeLessThanOrEqual(outcome.endedAt + 1e-6);
			}
			const halves = (["first", "second"] as const).map((half) => metricsOf(setup, outcome, half));
			expect(halves[0]!.requests + halves[1]!.requests, name).toBe(requests.length);
			const tokens = requests.reduce(
				(sum, { input, output }, id) => sum + (outcome.to[id] === API ? apiUsd(setup.fleet.api, input, output) : 0),
				0,
			);
			const from = requests[0]!.at;
			const gpus = setup.fleet.pools.reduce((sum, { zero, usdPerSecond }, n) => {
				const early = outcome.boxes[n]!.ups.map(([a, b]): Span => [Math.max(a, from), Math.max(b, from)]);
				return sum + usdPerSecond * (zero ? seconds(early) : outcome.endedAt - from);
			}, 0);
			expect(halves[0]!.usd + halves[1]!.usd, name).toBeCloseTo(tokens + gpus, 9);
		}
	});

	test("the same seed gives the same outcome, and another one another", () => {
		const plain = (setup: Setup) =>
			outcomes(setup).map(({ outcome: { ttft, to, endedAt } }) => ({ ttft: [...ttft], to: [...to], endedAt }));
		const { fleet } = setups[1]!;
		const again = (traffic: number, luck: number) => setupOf(fleet, randomTraffic(traffic, 60, 30), luck);
		expect(plain(again(1, 1))).toEqual(plain(again(1, 1)));
		expect(plain(again(1, 2))).not.toEqual(plain(again(1, 1)));
	});
});
