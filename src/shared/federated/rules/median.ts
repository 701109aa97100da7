import * as z from "zod";
import { ruleKind } from "./rule.ts";
import { sortedColumns } from "./sorted-columns.ts";

/** The median at each coordinate; of an even number, the mean of the two in the middle (Yin et al. 2018, arXiv 1803.01498).
 *  Unweighted. */
export const median = ruleKind({
	schema: z.strictObject({ name: z.literal("median") }),
	make: () => ({
		door: "row",
		needs: {},
		combine(rows, out) {
			const high = rows.length >> 1;
			const low = (rows.length - 1) >> 1;
			sortedColumns(rows, out.length, (at, sorted) => {
				out[at] = (sorted[low]! + sorted[high]!) / 2;
			});
		},
	}),
});
