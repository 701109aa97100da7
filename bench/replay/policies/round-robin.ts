import type { Policy } from "./policy.ts";

/** One after the other. */
export const roundRobin: Policy<null> = {
	id: "round_robin",
	title: "round robin",
	settings: [null],
	create() {
		let next = 0;
		return (_, views) => next++ % views.length;
	},
};
