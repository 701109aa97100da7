import type { CatalogPool } from "../catalog/snapshot.ts";
import type { Seconds, Tokens } from "../units.ts";
import { priorRates } from "./prior.ts";

/** Spreads of the prior that a replica may be slower than it, before the operator pays the rest. */
const SPREADS = 2;

const priors = new WeakMap<CatalogPool, ReturnType<typeof priorRates>>();

/** The seconds of GPU that are reserved for a request at a pool priced by time: what its prompt and its longest answer take
 *  at full concurrency on a replica much slower than its prior, and never more than the time-out. The tenant pays at most what was reserved, so a request
 *  that runs longer costs the operator; reserving the whole time-out instead would let a $10 budget carry two dozen requests. */
export function worstSeconds(pool: CatalogPool, promptTokens: Tokens, choiceTokens: Tokens, timeout: Seconds): Seconds {
	let prior = priors.get(pool);
	if (!prior) priors.set(pool, (prior = priorRates(pool.model, pool.pool)));
	const sequences = pool.pool.max_concurrency - 1;
	const step = prior.stepSeconds + prior.stepSecondsPerSequence * sequences;
	const own = prior.overheadSeconds + promptTokens / prior.prefillTokensPerSecond + choiceTokens * step;
	return Math.min(timeout, Math.exp(SPREADS * prior.spread) * own);
}
