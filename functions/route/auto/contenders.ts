import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import {
	brokenBy,
	contextShort,
	type Contender,
	type Demands,
	type Rejected,
} from "../../../src/shared/router/constraints.ts";
import type { Held } from "../../../src/shared/router/model-outlook.ts";
import { optionsOf, weighted, type Option } from "../../../src/shared/router/options.ts";
import type { Estimator, PromptEstimate } from "../../../src/shared/router/prompt-estimate.ts";
import type { RefinedModel } from "../../../src/shared/router/refine.ts";
import { bitOf } from "../../../src/shared/router/rules.ts";
import type { Router } from "../../../src/shared/catalog/routers.ts";
import { sizesOf, worstOf, type Sizes } from "../sizes.ts";
import { questionOf, type Unrouted } from "./unrouted.ts";

/** A model that may answer, as far as the catalog and the request tell. */
export interface Contending {
	readonly model: CatalogModel;
	readonly sizes: Sizes;
	readonly card: RefinedModel;
}

/** The models that hard constraints leave; the others are added to `rejected`. */
export function contenders(
	{ isolate, key, request, route, policy, estimator }: Unrouted,
	models: readonly CatalogModel[],
	{ licences = null }: { readonly licences?: readonly string[] | null | undefined },
	rejected: Rejected[],
): Contending[] {
	const { endpoint, needs, promptBytes, longestPromptBytes } = request;
	const usdMax = route.controls.max_usd ?? null;
	const demands: Demands = { endpoint, needs, promptBytes, longestPromptBytes, policy, licences, usdMax };
	const now = Date.now() / 1_000;
	return models.flatMap((model): Contending[] => {
		const sizes = sizesOf(request, key, model);
		const { bytesPerToken } = isolate.outlooks.of(model, now);
		const { choiceTokensMax } = sizes;
		const worstAt = (pool: CatalogModel["pools"][number]) =>
			worstOf({ ...model, pools: [pool] }, request, policy, sizes, isolate.settings);
		const contender: Contender = { model, choiceTokensMax, bytesPerToken, worstAt };
		const rules = brokenBy(contender, demands);
		if (rules === 0) return [{ model, sizes, card: { id: model.id, card: cardOf(model, estimator) } }];
		const context = contextShort(contender, demands, rules);
		rejected.push({ model: model.id, rules, ...(context && { context }) });
		return [];
	});
}

function cardOf({ model }: CatalogModel, estimator: Estimator | null): number | null {
	const index = model.card === undefined ? -1 : (estimator?.models.indexOf(model.card) ?? -1);
	return index < 0 ? null : index;
}

/** What each contender is expected to do at its best pools; those that would cost or take too much are added to `rejected`. */
export function offers(
	unrouted: Unrouted,
	contending: readonly Contending[],
	{ weights = {} }: Router,
	{ estimate, before }: Knowledge,
	rejected: Rejected[],
): Option[] {
	const { isolate, request, route } = unrouted;
	const policy = weighted(unrouted.policy, weights);
	const now = Date.now() / 1_000;
	return contending.flatMap(({ model, sizes, card }) => {
		const fromCard = (estimate?.outputTokens[card.card ?? -1] ?? Number.NaN) * request.choices;
		const held = before?.model === model.id ? before.held : null;
		const question = questionOf(unrouted, model, sizes, policy);
		const found = optionsOf(model, isolate.outlooks.of(model, now), question, weights, { fromCard, held }, now);
		const { max_seconds: most = Infinity } = route.controls;
		const quick = found.ok ? found.value.filter(({ seconds }) => seconds <= most) : [];
		if (quick.length === 0) {
			rejected.push({ model: model.id, rules: bitOf(found.ok ? "max_seconds" : found.error) });
		}
		return quick;
	});
}

/** What is known of the prompt and of its conversation. */
export interface Knowledge {
	readonly estimate: PromptEstimate | null;
	readonly before: { readonly model: string; readonly held: Held } | null;
}
