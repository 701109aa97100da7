import * as z from "zod";
import { adaptive, decay, preset, rate, tau } from "./adaptive.ts";
import { optimiserKind } from "./optimiser.ts";

/** FedAdagrad: v <- v + delta^2. */
export const adagrad = optimiserKind({
	schema: z.strictObject({
		name: z.literal("adagrad"),
		preset,
		learning_rate: rate.default(0.1),
		beta_1: decay.default(0),
		tau,
	}),
	make: ({ preset, learning_rate, beta_1, tau }) =>
		adaptive({
			beta1: beta_1,
			tau,
			secondMomentStart: preset === "paper" ? tau * tau : 0,
			rate: () => learning_rate,
			secondMoment: (v, square) => v + square,
		}),
});
