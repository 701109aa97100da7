import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import { isOver } from "../../../src/shared/router/constraints.ts";
import type { AssignPolicy } from "../../../src/shared/scheduler/messages.ts";
import { sizesOf, worstOf } from "../sizes.ts";
import type { Unrouted } from "./unrouted.ts";

/** The request's policy without the pools of these models where it could cost more than its `max_usd`. */
export function withoutDearPools(unrouted: Unrouted, models: readonly CatalogModel[]): AssignPolicy {
	const { key, request, policy, route, isolate } = unrouted;
	const { max_usd: usd } = route.controls;
	if (usd === undefined) return policy;
	const barredPools = models.flatMap((model) => {
		const sizes = sizesOf(request, key, model);
		const isDear = (pool: CatalogModel["pools"][number]): boolean =>
			isOver(worstOf({ ...model, pools: [pool] }, request, policy, sizes, isolate.settings), usd);
		return model.pools.filter(isDear).map(({ id }) => id);
	});
	return { ...policy, barredPools };
}
