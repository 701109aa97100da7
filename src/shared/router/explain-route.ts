import { hash64 } from "../kv/block-hash.ts";
import type { Mode } from "./controls.ts";
import type { RouteChoice } from "./choice.ts";
import type { RouteExplanation, Unjudged } from "./explanation.ts";
import type { Estimator, PromptEstimate } from "./prompt-estimate.ts";
import type { Rule } from "./rules.ts";

const DOMAINS_SHOWN = 5;

export interface Explained {
	readonly router: string;
	readonly mode: Mode;
	readonly text: string;
	readonly estimator: Estimator | null;
	readonly estimate: PromptEstimate | null;
	readonly unjudged: Unjudged | null;
	readonly choice: RouteChoice;
	/** Id of the request with which another model is sent the prompt. */
	readonly shadow: string | null;
	/** By hard constraints, besides those that the choice rejected. */
	readonly rejected: readonly { readonly model: string; readonly rule: Rule }[];
}

/** A routed request's decision as plain data, for its record. */
export function explainRoute(explained: Explained): RouteExplanation {
	const { router, mode, text, estimator, estimate, unjudged, choice, rejected, shadow } = explained;
	const { drawn, reason, candidates, pareto } = choice;
	return {
		router,
		mode,
		weights_version: estimator?.version ?? null,
		prompt: promptHash(text),
		in_domain: estimate?.inDomain ?? false,
		...(unjudged !== null && { unjudged }),
		domains: estimator && estimate ? topDomains(estimator.domains, estimate.posterior) : [],
		chosen: drawn.order[0]!.option.model.id,
		reason,
		propensity: drawn.propensity,
		explored: drawn.explored,
		...(shadow !== null && { shadow }),
		candidates,
		rejected: [...rejected, ...choice.rejected],
		pareto,
	};
}

export function topDomains(names: readonly string[], posterior: Float64Array): RouteExplanation["domains"] {
	return [...posterior]
		.map((p, index) => ({ name: names[index] ?? "", p }))
		.sort((a, b) => b.p - a.p)
		.slice(0, DOMAINS_SHOWN);
}

/** 16 hexadecimal digits. */
export function promptHash(text: string): string {
	const bytes = new TextEncoder().encode(text);
	const { lo, hi } = hash64(bytes, 0, bytes.length);
	return [hi, lo].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
