import * as z from "zod";
import type { Problem } from "../../catalog/problems.ts";
import { fromBase, ruleKind } from "./rule.ts";

/** Clients that do worse count more. With L = 1 / client_learning_rate and F_i the loss, clipped:
 *  c_i = L F_i^q / sum_j [q F_j^(q-1) L^2 |D_j|^2 + L F_j^q] (Li et al. 2020, arXiv 1905.10497). Flower adds 1e-10 to each loss. */
export const qfedavg = ruleKind({
	schema: z.strictObject({
		name: z.literal("qfedavg"),
		preset: z.enum(["paper", "flower"]).default("paper"),
		q: z.number().min(0).max(10).default(0.2),
		client_learning_rate: z.number().positive().max(1_000),
		loss_min: z.number().positive().default(1e-6),
		loss_max: z.number().positive().max(1e6).default(100),
	}),
	make: ({ preset, q, client_learning_rate, loss_min, loss_max }) => ({
		door: "coefficients",
		needs: { losses: true },
		coefficients(updates) {
			const L = 1 / client_learning_rate;
			const added = preset === "flower" ? 1e-10 : 0;
			const lossOf = (loss: number | null) => Math.min(loss_max, Math.max(loss_min, loss ?? loss_min)) + added;
			const sum = updates.reduce((sum, { loss, squaredNorm }) => {
				const F = lossOf(loss);
				return sum + q * F ** (q - 1) * L * L * squaredNorm + L * F ** q;
			}, 0);
			return fromBase(updates, ({ loss }) => (L * lossOf(loss) ** q) / sum);
		},
	}),
	check: ({ loss_min, loss_max }): readonly Problem[] =>
		loss_min < loss_max ? [] : [{ path: "rule.loss_min", message: "has to be less than loss_max" }],
});
