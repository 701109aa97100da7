import * as z from "zod";
import { anchored, anchorSchema } from "./anchor.ts";
import { ruleKind } from "./rule.ts";
import { stalenessSchema, stalenessWeight } from "./staleness.ts";

/** x <- (1 - a_i) x + a_i x_i with a_i = alpha s(u_i), one update after the other (Xie et al. 2019, arXiv 1903.03934). Updates that
 *  came while a version was being made flow into the next one together, in id order: c_i = a_i prod_{j > i} (1 - a_j).
 *  With the anchor `base` each adds a_i of its own way, and the order does not matter. */
export const fedasync = ruleKind({
	schema: z.strictObject({
		name: z.literal("fedasync"),
		alpha: z.number().positive().max(1).default(0.6),
		staleness: stalenessSchema.default({ kind: "polynomial", exponent: 0.5 }),
		anchor: anchorSchema.default("current"),
	}),
	make: ({ alpha, staleness, anchor }) => ({
		door: "coefficients",
		needs: anchor === "current" ? { bases: true } : {},
		coefficients(updates) {
			const coefficients = new Float64Array(updates.length);
			let rest = 1;
			for (let i = updates.length - 1; i >= 0; i--) {
				const a = alpha * stalenessWeight(staleness, updates[i]!.staleness);
				coefficients[i] = a * rest;
				if (anchor === "current") rest *= 1 - a;
			}
			return anchored(anchor, updates, coefficients);
		},
	}),
	check: (_, { flushCount }) =>
		flushCount === 1 ? [] : [{ path: "flush", message: "fedasync makes a version of every update: count has to be 1" }],
});
