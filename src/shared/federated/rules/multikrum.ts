import * as z from "zod";
import type { Problem } from "../../catalog/problems.ts";
import { ruleKind, type Gram } from "./rule.ts";

/** Multi-Krum: the weighted mean of the `m` updates that are nearest to others (Blanchard et al. 2017, NeurIPS). The score of an update
 *  is the sum of its `n - f - 2` smallest squared distances to others; of equal scores the lower id counts as the lower. `m` 1
 *  is Krum. A flush has to have 2 f + 3 updates, of which `f` may be hostile. */
export const multikrum = ruleKind({
	schema: z.strictObject({
		name: z.literal("multikrum"),
		f: z.number().int().min(0).max(1_000).default(1),
		m: z.number().int().min(1).max(1_000).default(1),
	}),
	check({ f, m }, { flushCountMin: least }): readonly Problem[] {
		const problems: Problem[] = [];
		if (least < 2 * f + 3) {
			const message = `needs ${2 * f + 3} updates to withstand ${f}, and a flush may have ${least}`;
			problems.push({ path: "rule.f", message });
		}
		if (m > least - f) {
			const message = `more than are left of the ${least} updates that a flush may have without ${f}`;
			problems.push({ path: "rule.m", message });
		}
		return problems;
	},
	make: ({ f, m }) => ({
		door: "coefficients",
		needs: { gram: true },
		coefficients(updates, _, gram) {
			if (!gram) throw new Error("multikrum needs the inner products of the updates");
			const scores = scoresOf(gram, f);
			const order = updates.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]! || a - b);
			const selected = new Set(order.slice(0, m));
			const total = updates.reduce((sum, { weight }, i) => (selected.has(i) ? sum + weight : sum), 0);
			const of = ({ weight }: { readonly weight: number }, i: number) => (selected.has(i) ? weight / total : 0);
			return { updates: Float64Array.from(updates, of), bases: [] };
		},
	}),
});

function scoresOf({ n, products }: Gram, f: number): Float64Array {
	const at = (i: number, j: number): number => products[i * n + j]!;
	const neighbours = Math.max(1, n - f - 2);
	return Float64Array.from({ length: n }, (_, i) => {
		const distances = Array.from({ length: n }, (_, j) => Math.max(0, at(i, i) + at(j, j) - 2 * at(i, j)));
		distances.splice(i, 1);
		distances.sort((a, b) => a - b);
		return distances.slice(0, neighbours).reduce((sum, distance) => sum + distance, 0);
	});
}
