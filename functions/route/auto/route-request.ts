import type { WaitUntil } from "../../../src/adapters/catalog-cache.ts";
import type { IsobarError } from "../../../src/shared/http/errors.ts";
import type { Amount } from "../../../src/shared/ledger/messages.ts";
import { ok, type Result } from "../../../src/shared/result.ts";
import type { Ranked } from "../../../src/shared/router/choice.ts";
import { weighted } from "../../../src/shared/router/options.ts";
import type { RoutePlan } from "../../../src/shared/router/route-plan.ts";
import type { AssignPolicy } from "../../../src/shared/scheduler/messages.ts";
import type { ModelRoute, Planned } from "../planned.ts";
import { amountOf, sizesOf, worstOf } from "../sizes.ts";
import { withoutDearPools } from "./dear-pools.ts";
import { planRoute } from "./plan-route.ts";
import { narrowed, withNeeds, type Unrouted } from "./unrouted.ts";

/** Routes a request: the model that it is to go to first, the others that it may go to, and the money for the dearest of them.
 *  `base`: with the client's own needs, and the policy without the route's controls. */
export async function routeRequest(
	base: Unrouted,
	env: Env,
	waitUntil: WaitUntil,
): Promise<Result<Planned, IsobarError>> {
	const { controls } = base.route;
	const request = withNeeds(base.request, controls);
	const unrouted: Unrouted = { ...base, request, policy: narrowed(base.policy, controls) };
	const planned = await planRoute(unrouted, env, waitUntil);
	if (!planned.ok) return planned;
	const plan = planned.value;
	const models = new Set(plan.ranked.map(({ option }) => option.model));
	const policy = withoutDearPools(unrouted, [...models]);
	const weighedPolicy = weighted(policy, plan.router.weights ?? {});
	const route: ModelRoute = {
		plan,
		snapshot: base.snapshot,
		policy: weighedPolicy,
		at: 0,
		full: null,
		isPatient: plan.ranked.length === 1,
	};
	const [first] = plan.ranked;
	return ok({
		request,
		model: first!.option.model,
		policy: policyAt(route, first!),
		need: needOf(unrouted, plan, policy),
		route,
	});
}

/** The policy with which a model's scheduler is asked: it waits nowhere while another model may answer at once, and where privacy has a
 *  price it keeps to the zone that the router has found. */
export function policyAt({ policy, plan, isPatient }: ModelRoute, { option }: Ranked): AssignPolicy {
	return {
		...policy,
		...(!isPatient && { waitingMax: 0 }),
		...(plan.router.weights?.privacy && { privacy: option.zone }),
	};
}

function needOf({ request, key, isolate }: Unrouted, { ranked }: RoutePlan, policy: AssignPolicy): Amount {
	const needs = ranked.map(({ option: { model } }) => {
		const sizes = sizesOf(request, key, model);
		return amountOf(worstOf(model, request, policy, sizes, isolate.settings), sizes);
	});
	return needs.reduce((most, each) => ({
		...most,
		nano: Math.max(most.nano, each.nano),
		tokens: Math.max(most.tokens, each.tokens),
	}));
}
