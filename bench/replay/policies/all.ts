import { aibrix } from "./aibrix.ts";
import { dynamo } from "./dynamo.ts";
import { leastRequests } from "./least-requests.ts";
import { llmdAffinity, llmdApproximate } from "./llm-d.ts";
import { lmetric } from "./lmetric.ts";
import type { Choose, Policy } from "./policy.ts";
import { prefixRing } from "./prefix-ring.ts";
import { roundRobin } from "./round-robin.ts";
import { sglangCli, sglangSmg, sglangTuned } from "./sglang.ts";
import { smgLeastLoad } from "./smg-least-load.ts";

/** A policy whose settings have become its variants, by number. */
export interface TunableRouter {
	readonly id: string;
	readonly title: string;
	/** In words, what each variant is set to; one without words has nothing to set. */
	readonly variants: readonly string[];
	create(variant: number): Choose<void>;
}

/** The routers that ours is compared with. */
export const OTHERS: readonly TunableRouter[] = [
	routerOf(roundRobin),
	routerOf(leastRequests),
	routerOf(smgLeastLoad),
	routerOf(prefixRing),
	routerOf(sglangCli),
	routerOf(sglangSmg),
	routerOf(sglangTuned),
	routerOf(lmetric),
	routerOf(aibrix),
	routerOf(llmdApproximate),
	routerOf(llmdAffinity),
	routerOf(dynamo),
];

export function routerOf<S>({ id, title, settings, create }: Policy<S>): TunableRouter {
	return {
		id,
		title,
		variants: settings.map((each) =>
			Object.entries(each ?? {})
				.map(([name, value]) => `${name} ${String(value)}`)
				.join(", "),
		),
		create(variant) {
			const choose = create();
			const chosen = settings[variant]!;
			return (request, views, _, rng) => choose(request, views, chosen, rng);
		},
	};
}
