import * as z from "zod";
import { anchored, anchorSchema } from "./anchor.ts";
import { ruleKind } from "./rule.ts";
import { stalenessSchema, stalenessWeight } from "./staleness.ts";

/** c_i = s(u_i) / K, K the updates of the flush (Nguyen et al. 2022, arXiv 2106.06639). Staleness shrinks the step; it is not
 *  divided out. APPFL's variant has the anchor `current`. */
export const fedbuff = ruleKind({
	schema: z.strictObject({
		name: z.literal("fedbuff"),
		staleness: stalenessSchema.default({ kind: "polynomial", exponent: 0.5 }),
		anchor: anchorSchema.default("base"),
	}),
	make: ({ staleness, anchor }) => ({
		door: "coefficients",
		needs: anchor === "current" ? { bases: true } : {},
		coefficients(updates) {
			const of = ({ staleness: u }: { readonly staleness: number }) => stalenessWeight(staleness, u) / updates.length;
			return anchored(anchor, updates, Float64Array.from(updates, of));
		},
	}),
});
