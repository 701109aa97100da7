import type { RouteWeights } from "../catalog/route-fields.ts";
import { PRIVACY_ZONES, type PrivacyZone } from "../catalog/router-names.ts";
import type { CatalogModel } from "../catalog/snapshot.ts";
import { objectiveTerms } from "../objective/objective.ts";
import type { Terms } from "../scheduler/explanation.ts";
import type { AssignPolicy, AssignRequest } from "../scheduler/messages.ts";
import { err, ok, type Result } from "../result.ts";
import type { Seconds, Tokens, Usd } from "../units.ts";
import type { Held, ModelOutlook } from "./model-outlook.ts";
import type { Rule } from "./rules.ts";

/** A model at the pool where it is expected to answer best. */
export interface Option {
	readonly model: CatalogModel;
	readonly pool: string;
	readonly zone: PrivacyZone;
	/** Expected. */
	readonly usd: Usd;
	readonly seconds: Seconds;
	readonly outputTokens: Tokens;
	/** As the scheduler would score it, with the weights of cost and latency in it. */
	readonly terms: Terms;
	readonly busy: boolean;
}

/** A policy in which money and seconds weigh as the router's weights have it: only their proportion matters to a choice, so that all
 *  of it goes into the seconds. Whoever sends the request to a scheduler sends this one. */
export function weighted(policy: AssignPolicy, { cost = 1, latency = 1 }: RouteWeights): AssignPolicy {
	const factor = latency / cost;
	if (factor === 1) return policy;
	return { ...policy, valueOfSecond: policy.valueOfSecond * factor, lateSecond: policy.lateSecond * factor };
}

/** The pools of one model that are worth comparing with those of others: the best, and where it costs something to be less
 *  private, the best of each zone. Where there is none, the rule that stands against it. `request.policy`: weighted. */
export function optionsOf(
	model: CatalogModel,
	outlook: ModelOutlook,
	request: AssignRequest,
	weights: RouteWeights,
	{ fromCard, held }: { readonly fromCard: Tokens; readonly held: Held | null },
	now: Seconds,
): Result<readonly Option[], Rule> {
	const options: Option[] = [];
	let dear = false;
	for (const privacy of zonesOf(model, request.policy, weights)) {
		const policy = privacy === undefined ? request.policy : { ...request.policy, privacy };
		const { decision, busy, outputTokens } = outlook.expect({ ...request, policy }, fromCard, held, now);
		const [best] = decision.ranked;
		const [estimate] = decision.estimates;
		dear ||= (decision.rejections.get("price_ceiling") ?? 0) > 0;
		if (!best || !estimate || options.some(({ pool }) => pool === best.pool)) continue;
		const zone = model.pools.find(({ id }) => id === best.pool)?.privacy ?? "public";
		const terms = scaled(objectiveTerms(estimate, policy), weights.cost ?? 1);
		options.push({
			model,
			pool: best.pool,
			zone,
			usd: best.expectedUsd,
			seconds: best.expectedSeconds,
			outputTokens,
			terms,
			busy,
		});
	}
	if (options.length > 0) return ok(options);
	// All else that a scheduler rules out lastingly has been asked of the catalog, where the prompt was counted less exactly.
	return err(dear ? "price_ceiling" : "context");
}

/** The zones up to each of which the best pool is to be found; one that is undefined where it makes no difference. */
function zonesOf(
	{ pools }: CatalogModel,
	{ privacy = "public" }: AssignPolicy,
	weights: RouteWeights,
): readonly (PrivacyZone | undefined)[] {
	if (!weights.privacy) return [undefined];
	const last = PRIVACY_ZONES.indexOf(privacy);
	return PRIVACY_ZONES.filter((zone, index) => index <= last && pools.some((pool) => pool.privacy === zone));
}

function scaled(terms: Terms, factor: number): Terms {
	if (factor === 1) return terms;
	return Object.fromEntries(
		Object.entries(terms).map(([name, usd]) => [name, (usd ?? 0) * factor]),
	) as unknown as Terms;
}
