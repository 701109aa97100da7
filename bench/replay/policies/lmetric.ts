import { BLOCK_TOKENS } from "../trace.ts";
import { argminRandom, type Policy } from "./policy.ts";

interface Settings {
	/** Prompt tokens that are pending count with the request's own. */
	readonly pending: boolean;
}

/** LMetric: what a replica would have to compute times the requests it has. SGLang's counts the request's own prompt, Dynamo's
 *  mode of that name what is pending too. */
export const lmetric: Policy<Settings> = {
	id: "lmetric",
	title: "LMetric",
	settings: [{ pending: false }, { pending: true }],
	create:
		() =>
		({ input }, views, { pending }, rng) =>
			argminRandom(
				views,
				({ matched, pendingTokens, inFlight }) => {
					const own = Math.max(1, input - matched * BLOCK_TOKENS);
					return (own + (pending ? pendingTokens : 0)) * (inFlight + 1);
				},
				rng,
			),
};
