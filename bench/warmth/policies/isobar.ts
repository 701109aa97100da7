import { ObjectOfPools } from "../ours/object.ts";
import type { Worth } from "../ours/request.ts";
import type { PolicySpec } from "./policy.ts";

/** What an operator sets in a key's policy, in USD: what a second is worth until the last token, and over the goal until the first.
 *  The defaults stand first. */
const WORTHS: readonly Worth[] = [
	{ valueOfSecond: 1e-3, lateSecond: 1e-2 },
	...[1e-1, 1e-2, 1e-3].map((lateSecond) => ({ valueOfSecond: 1e-4, lateSecond })),
	...[1e-1, 1e-2, 1e-3, 1e-4, 1e-5].map((lateSecond) => ({ valueOfSecond: 1e-5, lateSecond })),
];

/** Ours: the production scheduler core, told of answers, statuses and refusals as by its object and an isolate beside it. */
export const isobar: PolicySpec = {
	id: "isobar",
	title: "Isobar",
	variants: () =>
		WORTHS.map((worth) => ({
			title: `v ${worth.valueOfSecond}, late ${worth.lateSecond}`,
			create: (world) => new ObjectOfPools(world, worth),
		})),
};
