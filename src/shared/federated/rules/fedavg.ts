import * as z from "zod";
import { fromBase, ruleKind, totalWeight } from "./rule.ts";

/** The weighted mean: c_i = w_i / sum w (McMahan et al. 2017, arXiv 1602.05629). */
export const fedavg = ruleKind({
	schema: z.strictObject({ name: z.literal("fedavg") }),
	make: () => ({
		door: "coefficients",
		needs: {},
		coefficients(updates) {
			const total = totalWeight(updates);
			return fromBase(updates, ({ weight }) => weight / total);
		},
	}),
});
