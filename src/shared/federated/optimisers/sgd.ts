import * as z from "zod";
import { optimiserKind } from "./optimiser.ts";

/** v <- momentum v + delta; x <- x + learning_rate v. Without momentum and at rate 1: FedAvg as it is. With: FedAvgM
 *  (Hsu et al. 2019, arXiv 1909.06335). */
export const sgd = optimiserKind({
	schema: z.strictObject({
		name: z.literal("sgd"),
		learning_rate: z.number().positive().max(1_000).default(1),
		momentum: z.number().min(0).max(0.9999).default(0),
	}),
	make: ({ learning_rate: rate, momentum }) =>
		momentum === 0
			? {
					initialState: [],
					step({ model, delta }) {
						for (let i = 0; i < model.length; i++) model[i] = model[i]! + rate * delta[i]!;
					},
				}
			: {
					initialState: [0],
					step({ model, delta, state }) {
						const velocity = state[0]!;
						for (let i = 0; i < model.length; i++) {
							const v = momentum * velocity[i]! + delta[i]!;
							velocity[i] = v;
							model[i] = model[i]! + rate * v;
						}
					},
				},
});
