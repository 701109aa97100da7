import { capabilityBits, type CatalogModel, type CatalogPool } from "../../src/shared/catalog/snapshot.ts";
import { worstCase } from "../../src/shared/money/pricing.ts";
import { worstSeconds } from "../../src/shared/perf/worst-seconds.ts";
import { barredBy, type PoolRules } from "../../src/shared/scheduler/barred.ts";
import { contextNeed } from "../../src/shared/scheduler/context-need.ts";
import type { NanoUsd, Seconds, Tokens } from "../../src/shared/units.ts";
import type { RoutedRequest } from "./read-request.ts";

/** The scheduler never takes a token for more bytes than this, nor its estimate for better than that. */
const BYTES_PER_TOKEN_MAX = 16;
const CONTEXT_DOUBT = 0.85;

interface Sizes {
	readonly choiceTokensMax: Tokens;
	readonly outputTokensMax: Tokens;
	readonly timeout: Seconds;
}

/** The most that a request may cost: at the dearest pool among those that it may use, which are all that the scheduler might
 *  find, and perhaps some more. Zero where there is none: then it is refused before it is sent. */
export function worstNano(
	model: CatalogModel,
	request: Pick<RoutedRequest, "needs" | "promptBytes" | "longestPromptBytes" | "promptTokensMax" | "prompts">,
	policy: PoolRules,
	{ choiceTokensMax, outputTokensMax, timeout }: Sizes,
): NanoUsd {
	const needs = capabilityBits(request.needs);
	const leastTokens = Math.ceil(request.promptBytes / BYTES_PER_TOKEN_MAX);
	const context = contextNeed({ ...request, choiceTokensMax }, leastTokens);
	const mayServe = (pool: CatalogPool): boolean =>
		(pool.capabilityBits & needs) === needs &&
		context.prompt * CONTEXT_DOUBT + context.answer <= pool.contextLength &&
		barredBy(policy, pool) === null;

	let worst: NanoUsd = 0;
	for (const pool of model.pools) {
		if (!mayServe(pool)) continue;
		// A pool takes no prompt that is longer than its context.
		const promptTokens = Math.max(1, Math.min(request.promptTokensMax, request.prompts * pool.contextLength));
		const seconds = worstSeconds(pool, promptTokens, choiceTokensMax, timeout);
		worst = Math.max(worst, worstCase(pool.pricing, promptTokens, outputTokensMax, seconds));
	}
	return worst;
}
