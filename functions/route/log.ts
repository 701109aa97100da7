import type { Usd } from "../../src/shared/units.ts";
import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import { usdFromNano } from "../../src/shared/money/nano.ts";
import type { RouteExplanation } from "../../src/shared/router/explanation.ts";
import { EXPLANATION_WIDTH, explanationWidth, type Explanation } from "../../src/shared/scheduler/explanation.ts";

/** The columns of an explanation that are dollars to pay. */
const TERMS = [
	["money", 0],
	["congestion", 1],
	["time", 2],
	["late", 3],
	["harm", 4],
	["start", EXPLANATION_WIDTH],
] as const;

/** One structured line a request. Holds no prompt and no key, only the key's id. */
export function logRequest(record: RequestRecord, decision: Explanation | null, route?: RouteExplanation): void {
	const { id, key, model, pool, replica, status, outcome, error } = record;
	console.log(
		JSON.stringify({
			event: "request",
			id,
			key,
			model,
			...(route && { router: route.router, route: whyRouted(record, route) }),
			pool,
			replica,
			why: whyOf(record, decision),
			status,
			outcome,
			...(error !== null && { error }),
			attempts: record.attempts.length,
			ttft_seconds: record.ttft_seconds,
			seconds: record.seconds,
			prompt_tokens: record.prompt_tokens,
			cached_tokens: record.cached_tokens,
			completion_tokens: record.completion_tokens,
			cost_usd: usdFromNano(record.cost_nano_usd),
			...(record.hedge && { hedge: record.hedge.refused ?? record.hedge.outcome }),
			...(record.hedge_nano_usd > 0 && { hedge_usd: usdFromNano(record.hedge_nano_usd) }),
			...(record.start_nano_usd > 0 && { start_usd: usdFromNano(record.start_nano_usd) }),
		}),
	);
}

/** How the model was found, in some words. */
export function whyRouted(
	{ model, stage, calls, cache, rule }: RequestRecord,
	{ mode, candidates, chosen, reason, unjudged, in_domain: isKnown }: RouteExplanation,
): string {
	if (cache !== undefined) return `cache: ${cache}`;
	if (rule !== undefined) return `rule ${rule}`;
	if (calls) return `${mode}: ${calls.length === 1 ? "one call" : `${calls.length} calls`}`;
	const rank = stage === undefined ? `${reason} of ${candidates.length}` : `${mode}'s ${stage}`;
	// The models of a cascade or a vote are asked in their own order, whichever is best by itself.
	if (stage === undefined && model !== chosen) return `${chosen} refused, ${rank}`;
	if (unjudged !== undefined) return `${rank}: ${unjudged}`;
	if (!isKnown) return `${rank}: the prompt is unlike all that the weights know`;
	const found = candidates.find((each) => each.model === model);
	return found ? `${rank}: quality ${found.quality.toFixed(2)}, ${dollars(found.usd)}` : rank;
}

/** The decision in some words: how many candidates there were, and the two largest terms of the chosen one. Null where there was
 *  nothing to decide: the answer came from the cache, from a rule or from the request's calls. */
function whyOf(record: RequestRecord, decision: Explanation | null): string | null {
	const { decided_by: by, replica } = record;
	if (record.cache !== undefined || record.rule !== undefined || record.calls) return null;
	if (by === "fallback") return "fallback: the scheduler did not answer";
	if (decision === null) return "no decision";
	const candidates = decision.rejected.reduce((count, rule) => (rule === 0 ? count + 1 : count), 0);
	const chosen = replica === null ? -1 : decision.replicas.indexOf(replica);
	if (chosen < 0 || decision.rejected[chosen] !== 0) return `no candidate of ${decision.replicas.length}`;
	const width = explanationWidth(decision);
	const terms = TERMS.map(([name, column]) => ({
		name,
		usd: column < width ? (decision.values[chosen * width + column] ?? 0) : 0,
	}));
	const [first, second] = terms.sort((a, b) => b.usd - a.usd);
	const rank = candidates === 1 ? "only candidate" : `best of ${candidates}`;
	const parts = [first, second].flatMap((term) =>
		term && term.usd >= USD_SHOWN ? [`${term.name} ${dollars(term.usd)}`] : [],
	);
	return parts.length === 0 ? rank : `${rank}: ${parts.join(", ")}`;
}

/** A term below a nano-dollar, the unit of every bill, decides nothing that anybody would want to read of. */
const USD_SHOWN = 1e-9;

function dollars(usd: Usd): string {
	return usd === 0 ? "$0" : `$${usd.toPrecision(2)}`;
}
