import * as z from "zod";
import { lazy } from "../lazy.ts";
import { WAITING_SECONDS_MAX } from "../limits.ts";
import { LATE_FACTOR } from "../objective/defaults.ts";
import type { AssignPolicy } from "../scheduler/messages.ts";
import type { Seconds } from "../units.ts";
import type { Policy } from "./keys.ts";
import { PRIORITIES } from "./priorities.ts";

/** The body field `isobar`: what one request wants otherwise than its key's policy. Hard limits can only be narrowed. */
export const overridesSchema = lazy(() =>
	z
		.strictObject({
			value_of_second_usd: z.number().nonnegative().max(1_000),
			ttft_goal_seconds: z.number().positive().max(3_600),
			late_second_usd: z.number().nonnegative().max(10_000),
			priority: z.enum(PRIORITIES),
			waiting_seconds_max: z.number().nonnegative().max(WAITING_SECONDS_MAX),
			regions: z.array(z.string().min(1).max(64)).min(1).max(64),
			price_ceiling_usd: z.number().nonnegative(),
			hedge: z.boolean(),
			heartbeats: z.boolean(),
		})
		.partial(),
);
export type Overrides = z.infer<ReturnType<typeof overridesSchema>>;

/** The policy that holds for one request. Value of time and goals come from the request where it names them; regions are
 *  the intersection, price ceiling and waiting time the smaller, the priority is never above the key's, and it is hedged only
 *  where both allow it. */
export function policyFor(key: Policy, overrides: Overrides, waitingDefault: Seconds): AssignPolicy {
	const valueOfSecond = overrides.value_of_second_usd ?? key.value_of_second_usd;
	// A request that changes v alone keeps the proportion that its key set.
	const factor =
		key.late_second_usd === undefined || key.value_of_second_usd === 0
			? LATE_FACTOR
			: key.late_second_usd / key.value_of_second_usd;
	const keyLate = overrides.value_of_second_usd === undefined ? key.late_second_usd : undefined;
	const waiting = Math.min(key.waiting_seconds_max ?? waitingDefault, overrides.waiting_seconds_max ?? Infinity);
	const rank = Math.max(PRIORITIES.indexOf(key.priority), PRIORITIES.indexOf(overrides.priority ?? key.priority));
	const hedge = key.hedge && overrides.hedge !== false;
	return {
		valueOfSecond,
		ttftGoal: overrides.ttft_goal_seconds ?? key.ttft_goal_seconds,
		lateSecond: overrides.late_second_usd ?? keyLate ?? valueOfSecond * factor,
		priority: PRIORITIES[rank]!,
		fairWeight: key.fair_weight,
		harmWeight: key.harm_weight,
		...(hedge && { hedge }),
		waitingMax: waiting,
		regions: intersection(key.regions, overrides.regions),
		priceCeiling: smaller(key.price_ceiling_usd, overrides.price_ceiling_usd),
	};
}

function intersection(a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | null {
	if (!a || !b) return a ?? b ?? null;
	return a.filter((region) => b.includes(region));
}

function smaller(a: number | undefined, b: number | undefined): number | null {
	return a === undefined && b === undefined ? null : Math.min(a ?? Infinity, b ?? Infinity);
}
