import type { Admitted } from "../admit.ts";
import type { ModelRoute } from "../planned.ts";
import { requestPrefix } from "../prefix.ts";
import { requestSchedulers } from "../schedulers.ts";
import { sizesOf } from "../sizes.ts";
import { policyAt } from "./route-request.ts";

/** What a scheduler's refusal says of its model alone: another may answer. */
const OTHERS_MAY_ANSWER: ReadonlySet<string> = new Set([
	"no_healthy_replica",
	"overloaded",
	"context_too_long",
	"capability_missing",
	"constraint_unmet",
	"model_not_found",
]);

/** The request as it goes to the next model of its plan, and when all have refused, again to the first that was only full, to wait
 *  there; null where none is left, or none would fare better. */
export function atNextModel(admitted: Admitted, refusal: string, headers: Headers, env: Env): Admitted | null {
	const { route, request, key, isolate, edge } = admitted;
	if (!route || !OTHERS_MAY_ANSWER.has(refusal)) return null;
	const next = nextOf(route, refusal);
	const ranked = next && next.plan.ranked[next.at];
	if (!next || !ranked) return null;
	const { model } = ranked.option;
	const { choiceTokensMax, outputTokensMax } = sizesOf(request, key, model);
	return {
		...admitted,
		model,
		policy: policyAt(next, ranked),
		choiceTokensMax,
		outputTokensMax,
		prefix: requestPrefix(request, headers, model, key, isolate.settings.prefixBlockBytes, env.ADMIN_TOKEN),
		schedulers: requestSchedulers(request, model, next.snapshot, edge),
		route: next,
	};
}

function nextOf(route: ModelRoute, refusal: string): ModelRoute | null {
	if (route.isPatient) return null;
	const full = route.full ?? (refusal === "overloaded" ? route.at : null);
	if (route.at + 1 < route.plan.ranked.length) return { ...route, at: route.at + 1, full };
	return full === null ? null : { ...route, at: full, full, isPatient: true };
}
