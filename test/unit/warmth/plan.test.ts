import { expect, test } from "vitest";
import { Plan, type PlanOption } from "../../../src/shared/warmth/plan.ts";

type Pool = "dear" | "cheap" | "owned";
const PRICES: Readonly<Record<Pool, number>> = { dear: 0.0005, cheap: 0.0002, owned: 0 };
const DEAR: PlanOption<Pool> = { replica: "dear", usd: 0.0001, work: 0.1 };
const CHEAP: PlanOption<Pool> = { replica: "cheap", usd: 0.0002, work: 0.3 };

/** What is planned after ten minutes of requests every `gap` seconds. */
function planned(
	gap: number,
	options: readonly PlanOption<Pool>[],
	otherwise = 0.002,
	plan = new Plan<Pool>(),
): Pool[] {
	let now = 0;
	for (; now < 600; now += gap) plan.asked({ at: now, otherwise, options });
	plan.update(["dear", "cheap"], ["owned"], (pool) => PRICES[pool], now);
	return (["dear", "cheap"] as const).filter((pool) => plan.has(pool));
}

test("of two that can stand in for one another the cheaper one is up, though each alone would pay", () => {
	expect(planned(1, [DEAR])).toEqual(["dear"]);
	expect(planned(1, [CHEAP])).toEqual(["cheap"]);
	expect(planned(1, [DEAR, CHEAP])).toEqual(["cheap"]);
});

test("none is up where leaving all to another costs less than the seconds", () => {
	expect(planned(20, [DEAR, CHEAP])).toEqual([]);
	expect(planned(1, [DEAR, CHEAP], 0.0003)).toEqual([]);
});

test("a dearer one is up where the cheaper one cannot do all, and none beside an own one that can", () => {
	expect(planned(0.2, [DEAR, { ...CHEAP, work: 0.6 }])).toContain("dear");
	expect(planned(1, [DEAR, CHEAP, { replica: "owned", usd: 0.0003, work: 0.3 }])).toEqual([]);
	expect(planned(0.2, [CHEAP, { replica: "owned", usd: 0.0003, work: 0.3 }])).toEqual(["cheap"]);
});

test("requests that are not remembered one by one count all the same", () => {
	// Premiums of a thousandth of a cent: worth the cheaper one at more than twenty a second.
	const tiny = { ...CHEAP, usd: 0, work: 0.001 };
	expect(planned(0.02, [tiny], 1e-5)).toEqual(["cheap"]);
	expect(planned(0.1, [tiny], 1e-5)).toEqual([]);
});

test("a set stays where another one is hardly better, and for no longer than its requests are remembered", () => {
	const plan = new Plan<Pool>();
	expect(planned(1, [CHEAP], 0.002, plan)).toEqual(["cheap"]);
	const near = { ...DEAR, usd: CHEAP.usd - 0.000305 };
	const now = 600;
	for (let n = 0; n < 600; n++) plan.asked({ at: now + n, otherwise: 0.002, options: [CHEAP, near] });
	plan.update(["dear", "cheap"], [], (pool) => PRICES[pool], now + 600);
	expect(plan.has("cheap")).toBe(true);
	plan.update(["dear", "cheap"], [], (pool) => PRICES[pool], now + 10_000);
	expect(plan.has("cheap")).toBe(false);
});
