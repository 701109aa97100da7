import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import { usdFromNano } from "../../src/shared/money/nano.ts";
import { explain } from "../../src/shared/objective/explain.ts";

/** One structured line a request. Holds no prompt and no key, only the key's id. */
export function logRequest(record: RequestRecord): void {
	const { id, key, model, pool, replica, status, outcome, error } = record;
	console.log(
		JSON.stringify({
			event: "request",
			id,
			key,
			model,
			pool,
			replica,
			why: whyOf(record),
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
		}),
	);
}

/** The decision in some words: how many candidates there were, and what the chosen one's score consists of. */
function whyOf(record: RequestRecord): string {
	if (record.decided_by === "fallback") return "fallback: the scheduler did not answer";
	if (record.decision === null) return "no decision";
	const lines = explain(record.decision);
	const candidates = lines.filter((line) => "score" in line);
	const chosen = candidates.find((line) => line.replica === record.replica);
	if (!chosen) return `no candidate of ${lines.length}`;
	const { terms } = chosen;
	const parts = Object.entries(terms)
		.filter(([, usd]) => usd > 0)
		.sort(([, a], [, b]) => b - a)
		.slice(0, 2)
		.map(([name, usd]) => `${name} $${usd.toPrecision(2)}`);
	const rank = candidates.length === 1 ? "only candidate" : `best of ${candidates.length}`;
	return `${rank}: ${parts.join(", ")}`;
}
