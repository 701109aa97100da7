import type { Key } from "../../../src/shared/catalog/keys.ts";
import type { CatalogModel, CatalogSnapshot } from "../../../src/shared/catalog/snapshot.ts";
import type { RouteControls } from "../../../src/shared/router/controls.ts";
import type { Estimator } from "../../../src/shared/router/prompt-estimate.ts";
import type { AssignPolicy, AssignRequest } from "../../../src/shared/scheduler/messages.ts";
import { askedOf } from "../assign-request.ts";
import type { Isolate } from "../isolate.ts";
import type { RoutedRequest, RouteRequest } from "../read-request.ts";
import type { Edge } from "../schedulers.ts";
import type { Sizes } from "../sizes.ts";

/** A request that is to be routed, before anything of it is reserved. What its controls require is in `request.needs` and `policy`. */
export interface Unrouted {
	readonly id: string;
	readonly isolate: Isolate;
	readonly key: Key;
	readonly request: RoutedRequest;
	readonly route: RouteRequest;
	readonly policy: AssignPolicy;
	readonly snapshot: CatalogSnapshot;
	readonly edge: Edge;
	readonly estimator: Estimator | null;
}

/** The request with the capabilities that its controls require besides what it needs itself. */
export function withNeeds(request: RoutedRequest, { require: demands }: RouteControls): RoutedRequest {
	const more = demands?.capabilities ?? [];
	return more.length === 0 ? request : { ...request, needs: [...new Set([...request.needs, ...more])] };
}

/** The policy with what the controls require of pools. Limits are only narrowed; what is limited in calls or dollars gets no second
 *  call beside the first. */
export function narrowed(policy: AssignPolicy, controls: RouteControls): AssignPolicy {
	const { require: demands = {}, max_calls, max_usd } = controls;
	const { regions, price_ceiling_usd: ceiling, privacy, context_length: contextMin } = demands;
	const allowed = regions && policy.regions ? policy.regions.filter((each) => regions.includes(each)) : regions;
	const prices = [policy.priceCeiling, ceiling].flatMap((price) => price ?? []);
	return {
		...policy,
		regions: allowed ?? policy.regions,
		priceCeiling: prices.length > 0 ? Math.min(...prices) : null,
		...(privacy !== undefined && { privacy }),
		...(contextMin !== undefined && { contextMin }),
		...((max_calls !== undefined || max_usd !== undefined) && { hedge: false }),
	};
}

/** The question that a model's scheduler would be asked, as far as its answer can be foreseen: without the prompt's prefix. */
export function questionOf(unrouted: Unrouted, model: CatalogModel, sizes: Sizes, policy: AssignPolicy): AssignRequest {
	const { id, snapshot } = unrouted;
	const asked = { ...unrouted, model, catalogVersion: snapshot.version, policy };
	return { ...askedOf(asked, sizes), reservation: id, exclude: [], retry: false };
}
