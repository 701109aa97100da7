import { argminRandom, type Policy } from "./policy.ts";

/** The fewest requests in flight; at random among equals. */
export const leastRequests: Policy<null> = {
	id: "least_requests",
	title: "least requests",
	settings: [null],
	create: () => (_, views, __, rng) => argminRandom(views, (view) => view.inFlight, rng),
};
