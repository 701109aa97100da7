import type { RouteExplanation } from "./explanation.ts";

/** Ours: of what a record keeps of a choice. A router without a list has all models of the catalog, a candidate takes half a kilobyte,
 *  and one mail to the ledger holds hundreds of records. */
const SHOWN_MAX = 64;

/** A routed request's decision as its record holds it, as JSON: of very many models the best, and those that were chosen. */
export function routeText(route: RouteExplanation, answered: string = route.chosen): string {
	const { candidates, rejected, pareto } = route;
	if (candidates.length <= SHOWN_MAX && rejected.length <= SHOWN_MAX) return JSON.stringify(route);
	const isShown = (model: string, index: number): boolean =>
		index < SHOWN_MAX || model === route.chosen || model === answered;
	return JSON.stringify({
		...route,
		candidates: candidates.filter(({ model }, index) => isShown(model, index)),
		rejected: rejected.slice(0, SHOWN_MAX),
		pareto: pareto.filter((model, index) => isShown(model, index)),
	} satisfies RouteExplanation);
}
