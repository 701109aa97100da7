import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import { logRequest } from "./log.ts";
import { carriers } from "./objects.ts";
import type { Call, Prepared } from "./prepared.ts";
import { NOTHING, type Hold } from "./purse.ts";

/** What is to stand in the record of a request that no pool was called for, or other requests were made for. */
export type FreePart = Pick<RequestRecord, "model" | "status" | "outcome"> &
	Partial<Pick<RequestRecord, "error" | "calls" | "cache" | "rule" | "route" | "ttft_seconds" | "completion_tokens">>;

const NO_HOLD: Hold = { lease: null, amount: NOTHING };

/** Books a request that costs nothing itself. `hold`: what it held all the same. */
export function settleFree(
	prepared: Prepared,
	{ env, ctx }: Pick<Call, "env" | "ctx">,
	part: FreePart,
	hold: Hold = NO_HOLD,
): void {
	const { id, isolate, key, planned, startedAt, snapshot } = prepared;
	const { post, settings } = isolate;
	const record: RequestRecord = {
		id,
		key: key.id,
		created: startedAt,
		endpoint: planned.request.endpoint,
		requested_model: planned.request.model,
		stream: planned.request.stream,
		error: null,
		pool: null,
		replica: null,
		decided_by: null,
		attempts: [],
		hedge: null,
		waited_seconds: 0,
		ttft_seconds: null,
		seconds: Date.now() / 1_000 - startedAt,
		expected_ttft_seconds: null,
		expected_usd: null,
		prompt_tokens: 0,
		cached_tokens: null,
		completion_tokens: 0,
		usage_source: "counted",
		cost_nano_usd: 0,
		start_nano_usd: 0,
		hedge_nano_usd: 0,
		actual_nano_usd: 0,
		reserved_nano_usd: 0,
		price_version: snapshot.version,
		decision: null,
		...part,
	};
	post.announce(key.tenant, id);
	post.settle(key.tenant, key.id, hold, { record, lease: hold.lease, reserved: hold.amount });
	if (settings.logRequests) logRequest(record, null, planned.route?.plan.explanation);
	if (post.isAttended(Date.now() / 1_000)) return;
	ctx.waitUntil(post.linger(key.tenant, id, carriers(env, isolate.id, settings)));
}
