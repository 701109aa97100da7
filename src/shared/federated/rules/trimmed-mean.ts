import * as z from "zod";
import { ruleKind } from "./rule.ts";
import { sortedColumns } from "./sorted-columns.ts";

/** The mean at each coordinate without the floor(beta n) smallest and as many largest (Yin et al. 2018, arXiv 1803.01498).
 *  Unweighted. A flush has to have so many updates that at least one is cut off on each side. */
export const trimmedMean = ruleKind({
	schema: z.strictObject({
		name: z.literal("trimmed_mean"),
		beta: z.number().min(0).lt(0.5).default(0.2),
	}),
	check: ({ beta }, { flushCountMin }) => {
		if (beta === 0 || Math.floor(beta * flushCountMin) > 0) return [];
		const needed = Math.ceil(1 / beta);
		const message = `trims nothing off the ${flushCountMin} updates that a flush may have; ${needed} are needed`;
		return [{ path: "rule.beta", message }];
	},
	make: ({ beta }) => ({
		door: "row",
		needs: {},
		combine(rows, out) {
			const cut = Math.floor(beta * rows.length);
			const kept = rows.length - 2 * cut;
			sortedColumns(rows, out.length, (at, sorted) => {
				let sum = 0;
				for (let i = cut; i < cut + kept; i++) sum += sorted[i]!;
				out[at] = sum / kept;
			});
		},
	}),
});
