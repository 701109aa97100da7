import type { Router } from "../catalog/routers.ts";
import type { Mode, RouteControls } from "./controls.ts";
import type { Ranked } from "./choice.ts";
import type { RouteExplanation } from "./explanation.ts";
import type { ShadowDraw } from "./shadow.ts";
import type { Estimator, PromptEstimate } from "./prompt-estimate.ts";

/** What is to be done with a routed request, decided before money is reserved and any scheduler is asked. */
export interface RoutePlan {
	readonly mode: Mode;
	/** With what the request's controls change of it. */
	readonly router: Router;
	readonly controls: RouteControls;
	/** Null where the weights could not be read. */
	readonly estimator: Estimator | null;
	readonly estimate: PromptEstimate | null;
	/** Models at pools: the first is tried first, the next where its scheduler refuses. At least one. */
	readonly ranked: readonly Ranked[];
	readonly explanation: RouteExplanation;
	/** Names the conversation to this isolate. */
	readonly conversation: string;
	/** Null where no other model is sent the prompt. */
	readonly shadow: PlannedShadow | null;
}

/** The second model of a pair. */
export interface PlannedShadow extends ShadowDraw {
	/** Of its request. */
	readonly id: string;
	/** Of the prompt, as far as it is judged. */
	readonly text: string;
}

/** The router as a request wants it. Licences are those that both allow. */
export function routerFor(router: Router, controls: RouteControls): Router {
	const { quality_floor, quality_usd, weights, require: demands } = controls;
	const licences = demands?.licences;
	const both = router.licences && licences ? router.licences.filter((each) => licences.includes(each)) : undefined;
	const allowed = both ?? router.licences ?? licences;
	return {
		...router,
		...(quality_floor !== undefined && { quality_floor }),
		...(quality_usd !== undefined && { quality_usd }),
		weights: { ...router.weights, ...weights },
		...(allowed && { licences: allowed }),
	};
}
