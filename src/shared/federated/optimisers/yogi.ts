import * as z from "zod";
import { adaptive, decay, preset, rate, tau } from "./adaptive.ts";
import { optimiserKind } from "./optimiser.ts";

/** FedYogi: v <- v - (1 - beta_2) delta^2 sign(v - delta^2). */
export const yogi = optimiserKind({
	schema: z.strictObject({
		name: z.literal("yogi"),
		preset,
		learning_rate: rate.default(0.01),
		beta_1: decay.default(0.9),
		beta_2: decay.default(0.99),
		tau,
	}),
	make: ({ preset, learning_rate, beta_1, beta_2, tau }) =>
		adaptive({
			beta1: beta_1,
			tau,
			secondMomentStart: preset === "paper" ? tau * tau : 0,
			rate: () => learning_rate,
			secondMoment: (v, square) => v - (1 - beta_2) * square * Math.sign(v - square),
		}),
});
