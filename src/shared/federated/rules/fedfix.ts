import * as z from "zod";
import { fromBase, ruleKind } from "./rule.ts";

/** d_i = ceil(tau_i / interval) w_i / W: who takes part in every second flush counts twice there, so that over time all
 *  count by their weight W-th (Fraboni et al. 2023, JMLR 24(110)). tau_i is the client's measured turnaround, at most
 *  `intervals_max` intervals; W the weight of all members. */
export const fedfix = ruleKind({
	schema: z.strictObject({
		name: z.literal("fedfix"),
		intervals_max: z.number().int().positive().max(10_000).default(100),
	}),
	make: ({ intervals_max }) => ({
		door: "coefficients",
		needs: {},
		coefficients(updates, { populationWeight, interval }) {
			return fromBase(updates, ({ turnaround, weight }) => {
				const intervals = Math.min(intervals_max, Math.max(1, Math.ceil(turnaround / interval!)));
				return (intervals * weight) / populationWeight;
			});
		},
	}),
	check: (_, { flushCount }) =>
		flushCount === null
			? []
			: [{ path: "flush", message: "fedfix weighs by the interval between flushes: when has to be interval" }],
});
