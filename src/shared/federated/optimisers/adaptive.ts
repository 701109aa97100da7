import * as z from "zod";
import type { ServerOptimiser } from "./optimiser.ts";

/** Two families of formulas share the names FedAdagrad, FedAdam and FedYogi. `paper` (Reddi et al. 2021, arXiv 2003.00295):
 *  the second moment starts at tau^2. `flower`: it starts at 0, and FedAdam corrects its rate for that. */
export const preset = z.enum(["paper", "flower"]).default("paper");

export const rate = z.number().positive().max(1_000);
export const decay = z.number().min(0).max(0.9999);
export const tau = z.number().positive().max(1).default(1e-3);

/** Squares are kept in f32, which ends at 3.4e38, so that one update of 1e20 would stop every flush that it is in. This is far over
 *  any model's, and its square leaves eight orders of magnitude to sums and to the rule's factors squared. */
const NORM_MAX = 1e15;

interface Adaptive {
	readonly beta1: number;
	readonly tau: number;
	readonly secondMomentStart: number;
	readonly rate: (step: number) => number;
	/** The next second moment, from the one before and the square of the update. */
	readonly secondMoment: (v: number, square: number) => number;
}

/** m <- beta1 m + (1 - beta1) delta; v <- secondMoment(v, delta^2); x <- x + rate m / (sqrt v + tau). State: v, and m
 *  where beta1 is not 0. */
export function adaptive({ beta1, tau, secondMomentStart, rate, secondMoment }: Adaptive): ServerOptimiser {
	return {
		normMax: NORM_MAX,
		initialState: beta1 === 0 ? [secondMomentStart] : [secondMomentStart, 0],
		step({ model, delta, state, step }) {
			const eta = rate(step);
			const second = state[0]!;
			const first = state[1];
			for (let i = 0; i < model.length; i++) {
				const d = delta[i]!;
				const v = secondMoment(second[i]!, d * d);
				second[i] = v;
				const m = first ? beta1 * first[i]! + (1 - beta1) * d : d;
				if (first) first[i] = m;
				model[i] = model[i]! + (eta * m) / (Math.sqrt(v) + tau);
			}
		},
	};
}
