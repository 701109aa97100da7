import * as z from "zod";
import type { Problem } from "../../catalog/problems.ts";
import { fromBase, ruleKind, totalWeight } from "./rule.ts";

/** Who made more local steps moved further; each update is divided by its steps and multiplied by the mean of all:
 *  c_i = tau_eff p_i / a_i, tau_eff = sum p_j a_j, p_i = w_i / sum w (Wang et al. 2020, arXiv 2007.07481). a_i is the 1-norm of
 *  the weights that K_i local steps had: K for SGD; [K - r (1 - r^K) / (1 - r)] / (1 - r) with momentum r;
 *  [1 - (1 - m)^K] / m with a proximal term, m = learning rate x mu. K is bounded by `steps_max`. */
export const fednova = ruleKind({
	schema: z.strictObject({
		name: z.literal("fednova"),
		steps_max: z.number().int().positive().max(1_000_000).default(10_000),
		client_momentum: z.number().min(0).max(0.999).default(0),
		client_proximal: z.number().min(0).max(0.999).default(0),
	}),
	make: ({ steps_max, client_momentum, client_proximal }) => ({
		door: "coefficients",
		needs: { steps: true },
		coefficients(updates) {
			const total = totalWeight(updates);
			const norms = updates.map(({ steps }) =>
				stepNorm(Math.min(steps_max, Math.max(1, steps ?? 1)), client_momentum, client_proximal),
			);
			const effective = updates.reduce((sum, { weight }, i) => sum + (weight / total) * norms[i]!, 0);
			const byId = new Map(updates.map(({ id }, i) => [id, norms[i]!]));
			return fromBase(updates, ({ id, weight }) => (effective * (weight / total)) / byId.get(id)!);
		},
	}),
	check: ({ client_momentum, client_proximal }): readonly Problem[] =>
		client_momentum > 0 && client_proximal > 0
			? [{ path: "rule.client_proximal", message: "cannot be combined with client_momentum" }]
			: [],
});

function stepNorm(steps: number, momentum: number, proximal: number): number {
	if (momentum > 0) return (steps - (momentum * (1 - momentum ** steps)) / (1 - momentum)) / (1 - momentum);
	if (proximal > 0) return (1 - (1 - proximal) ** steps) / proximal;
	return steps;
}
