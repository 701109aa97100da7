import * as z from "zod";
import { adaptive, decay, preset, rate, tau } from "./adaptive.ts";
import { optimiserKind } from "./optimiser.ts";

/** FedAdam: v <- beta_2 v + (1 - beta_2) delta^2. Flower multiplies the rate by
 *  sqrt(1 - beta_2^(t+1)) / (1 - beta_1^(t+1)) at step t, counted from 1. */
export const adam = optimiserKind({
	schema: z.strictObject({
		name: z.literal("adam"),
		preset,
		learning_rate: rate.default(0.1),
		beta_1: decay.default(0.9),
		beta_2: decay.default(0.99),
		tau,
	}),
	make: ({ preset, learning_rate, beta_1, beta_2, tau }) =>
		adaptive({
			beta1: beta_1,
			tau,
			secondMomentStart: preset === "paper" ? tau * tau : 0,
			rate: (step) =>
				preset === "paper"
					? learning_rate
					: (learning_rate * Math.sqrt(1 - power(beta_2, step + 1))) / (1 - power(beta_1, step + 1)),
			secondMoment: (v, square) => beta_2 * v + (1 - beta_2) * square,
		}),
});

/** By multiplications only, so that it has the same bits in every language; `**` has not. */
function power(base: number, exponent: number): number {
	let result = 1;
	for (let square = base, n = exponent; n > 0; square *= square, n = Math.floor(n / 2)) {
		if (n % 2 === 1) result *= square;
	}
	return result;
}
