import { expect, test } from "vitest";
import { policySchema } from "../../../src/shared/catalog/keys.ts";
import { overridesSchema, policyFor } from "../../../src/shared/catalog/policy.ts";

const key = (change = {}) => policySchema.parse(change);

test("defaults: v $0.001 a second, goal 2 s, ten times v when late", () => {
	expect(policyFor(key(), {}, 30)).toEqual({
		valueOfSecond: 0.001,
		ttftGoal: 2,
		lateSecond: 0.01,
		priority: "standard",
		fairWeight: 1,
		harmWeight: 1,
		waitingMax: 30,
		regions: null,
		priceCeiling: null,
	});
});

test("a request may change its value of time and goals; lateness keeps the key's proportion", () => {
	expect(
		policyFor(key({ value_of_second_usd: 0.002, late_second_usd: 0.01 }), { value_of_second_usd: 0.02 }, 30).lateSecond,
	).toBeCloseTo(0.1, 12);
	expect(policyFor(key(), { late_second_usd: 0.5, ttft_goal_seconds: 1 }, 30)).toMatchObject({
		lateSecond: 0.5,
		ttftGoal: 1,
	});
});

test("the weight among tenants is the key's, and no request's to choose", () => {
	expect(policyFor(key({ fair_weight: 4 }), {}, 30).fairWeight).toBe(4);
	expect(overridesSchema().safeParse({ fair_weight: 4 }).success).toBe(false);
	for (const fair_weight of [0, -1, 101, NaN, "2"]) expect(policySchema.safeParse({ fair_weight }).success).toBe(false);
});

test("so is the weight of what others lose", () => {
	expect(policyFor(key({ harm_weight: 0.5 }), {}, 30).harmWeight).toBe(0.5);
	expect(overridesSchema().safeParse({ harm_weight: 0 }).success).toBe(false);
	for (const harm_weight of [-1, 10.5, NaN, "2"]) expect(policySchema.safeParse({ harm_weight }).success).toBe(false);
});

test("hard limits are only narrowed", () => {
	const policy = key({ regions: ["eu", "us"], price_ceiling_usd: 0.1, waiting_seconds_max: 5, priority: "standard" });
	expect(
		policyFor(
			policy,
			{ regions: ["us", "ap"], price_ceiling_usd: 1, waiting_seconds_max: 60, priority: "interactive" },
			30,
		),
	).toMatchObject({ regions: ["us"], priceCeiling: 0.1, waitingMax: 5, priority: "standard" });
	expect(
		policyFor(policy, { regions: ["ap"], price_ceiling_usd: 0.01, waiting_seconds_max: 1, priority: "batch" }, 30),
	).toMatchObject({ regions: [], priceCeiling: 0.01, waitingMax: 1, priority: "batch" });
	expect(policyFor(policy, overridesSchema().parse({ waiting_seconds_max: 0 }), 30)).toMatchObject({ waitingMax: 0 });
});

test("a request is hedged only where its key allows it and it does not say no", () => {
	expect(policyFor(key({}), { hedge: true }, 30)).not.toHaveProperty("hedge");
	expect(policyFor(key({ hedge: true }), {}, 30).hedge).toBe(true);
	expect(policyFor(key({ hedge: true }), { hedge: false }, 30)).not.toHaveProperty("hedge");
});
