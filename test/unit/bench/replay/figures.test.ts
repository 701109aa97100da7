import { expect, test } from "vitest";
import { fullSpeed, pooledLimit } from "../../../../bench/replay/capacity.ts";
import { geomean } from "../../../../bench/lib/statistics.ts";
import { bestOf, ratioOf, type Played } from "../../../../bench/replay/compare.ts";
import { metricsOf, type Metrics } from "../../../../bench/replay/metrics.ts";
import { chart } from "../../../../bench/replay/plot.ts";
import { leastRequests } from "../../../../bench/replay/policies/least-requests.ts";
import { routerOf } from "../../../../bench/replay/policies/all.ts";
import { policyRouter } from "../../../../bench/replay/policies/router.ts";
import { simulate } from "../../../../bench/replay/simulate.ts";
import { atSpeed } from "../../../../bench/replay/trace.ts";
import { tuned, VARIANTS } from "../../../../bench/replay/tune.ts";
import { seeded } from "../../../simulator/random.ts";
import { PLAIN, requestOf, toFirst, traceOf } from "./support.ts";

const SOME: Metrics = { hitRate: 0, mean: 1, p50: 1, p99: 1, withinGoal: 1, goodput: 1, usdPerMillion: 1 };
const played = (id: string, means: readonly number[]): Played => ({
	id,
	metrics: means.map((mean) => ({ ...SOME, mean, goodput: mean })),
});

test("only what comes from the judged time on is counted, in rates over that time", () => {
	const trace = {
		...traceOf([0, 10, 20, 30].map((at) => requestOf(at, at === 20 ? 30_000 : 1_000, 24))),
		judgedFrom: 10,
	};
	const metrics = metricsOf(trace, simulate(trace, [PLAIN], toFirst), 3.6);
	expect(metrics.withinGoal).toBeCloseTo(2 / 3, 12);
	expect(metrics.goodput).toBeCloseTo(2 / 20, 12);
	// 2,048 good tokens for 20 s at 0.1 cents.
	expect(metrics.usdPerMillion).toBeCloseTo((0.02 * 1e6) / 2_048, 6);
	expect(metrics.p99).toBeCloseTo((30_000 - 512) / 10_000, 1);
});

test("ratios are of the same seeds, with an interval that narrows when they agree", () => {
	const steady = ratioOf(played("a", [2, 4, 6]), played("b", [1, 2, 3]), "mean");
	expect(steady.value).toBeCloseTo(2, 12);
	expect(steady.low).toBeCloseTo(2, 12);
	const loose = ratioOf(played("a", [1, 2, 4]), played("b", [1, 1, 1]), "mean");
	// ln 2 times (1 +- 4.303 / sqrt 3): Student's t with two degrees of freedom.
	expect(loose.low).toBeCloseTo(2 * Math.exp((-4.303 * Math.log(2)) / Math.sqrt(3)), 6);
	expect(ratioOf(played("a", [2]), played("b", [1]), "mean").low).toBeNull();
	expect(geomean([1, 4])).toBeCloseTo(2, 12);
});

test("the best has the least mean, or the most goodput", () => {
	const all = [played("a", [3, 1]), played("b", [1, 2]), played("c", [4, 4])];
	expect(bestOf(all, "mean").id).toBe("b");
	expect(bestOf(all, "goodput").id).toBe("c");
});

test("each router is tuned to its variant with the least mean over the seeds", () => {
	const outcomes = [1, 2].map((seed) =>
		VARIANTS.map((each, n) => ({ ...SOME, mean: each.variant === 1 ? 0.5 * seed : 1 + n })),
	);
	const best = tuned(outcomes);
	expect(best.get("ours")).toBe(1);
	expect(best.get("dynamo")).toBe(1);
	expect(best.get("round_robin")).toBe(0);
});

test("at full speed a steady load just keeps the fleet busy, and nobody passes the limit", () => {
	const rng = seeded(2);
	const trace = traceOf(
		Array.from({ length: 4_000 }, (_, n) => ({
			...requestOf(n, 1_000 + rng() * 2_000, 1, 0, n),
			blocks: new Int32Array(0),
		})),
	);
	const engines = [PLAIN, { ...PLAIN, prefillTokensPerSecond: 5_000 }];
	const speed = fullSpeed(trace, engines);
	// 2,000 tokens a second of the trace; the fleet fills 15,000.
	expect(speed).toBeGreaterThan(6.8);
	expect(speed).toBeLessThan(7.6);
	const part = atSpeed({ ...trace, requests: trace.requests.slice(0, 2_000) }, 0.8 * speed);
	const limit = metricsOf(part, pooledLimit(part, engines), 1);
	const real = metricsOf(part, simulate(part, engines, policyRouter(routerOf(leastRequests).create(0), rng)), 1);
	expect(limit.mean).toBeLessThan(real.mean);
	expect(limit.p99).toBeLessThan(real.p99);
});

test("a chart has a line and a name for each router", () => {
	const svg = chart("a < b", [
		{ title: "Isobar", values: [0.1, 1, 10], emphasis: true },
		{ title: "other", values: [1, 10, 100], emphasis: false },
	]);
	expect(svg.match(/<polyline/g)).toHaveLength(2);
	expect(svg).toContain("a &lt; b");
	expect(svg).toContain(">Isobar</text>");
	expect(svg).not.toContain("NaN");
});
