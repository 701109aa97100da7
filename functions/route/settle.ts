import type { CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import type { IsobarError } from "../../src/shared/http/errors.ts";
import type { ReportedUsage } from "../../src/shared/http/usage.ts";
import type { Attempt, RequestRecord } from "../../src/shared/ledger/messages.ts";
import { chargeOf, type Charge } from "../../src/shared/money/charge.ts";
import type { Explanation } from "../../src/shared/scheduler/explanation.ts";
import { routeText } from "../../src/shared/router/route-text.ts";
import type { RoutePlan } from "../../src/shared/router/route-plan.ts";
import type { Bill, Outcome } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { WarmthSignal } from "../../src/shared/warmth/signal.ts";
import type { Admitted } from "./admit.ts";
import type { Choice } from "./choice.ts";
import type { Failure } from "./failure.ts";
import { hedgeSettlement, type HedgeEnd } from "./hedge-end.ts";
import type { Isolate } from "./isolate.ts";
import { logRequest } from "./log.ts";
import type { Billed } from "./mailbox.ts";
import type { Hold } from "./purse.ts";
import type { RelayEnd } from "./relay.ts";

/** How a request ended, seen from the client. */
export interface Ending {
	readonly status: number;
	readonly outcome: Outcome;
	readonly error: IsobarError | null;
	readonly attempts: readonly Attempt[];
	readonly explanation: Explanation | null;
	/** The last attempt; null where there was none. */
	readonly last: LastAttempt | null;
	/** The scheduler has been told already that the last attempt is over. */
	readonly reported: boolean;
	/** What came of a second call; null where none was to be made. */
	readonly hedge: { whenOver(run: (end: HedgeEnd) => void): void } | null;
}

export interface LastAttempt {
	readonly choice: Choice;
	readonly replica: CatalogReplica;
	/** What pays for it. */
	readonly hold: Hold;
	/** The pool had begun to answer. */
	readonly answered: boolean;
	readonly failure: Failure | null;
	readonly usage: ReportedUsage | null;
	readonly tokenEvents: number;
	readonly ttft: Seconds | null;
	readonly headersAt: Seconds | null;
	/** What its answer said of the pool's warmth, unless the scheduler has been told. */
	readonly warmth: WarmthSignal | null;
	/** Of the attempt. */
	readonly seconds: Seconds;
}

/** What the end of an answer that was passed on as it came tells of the attempt. */
export function relayed(end: RelayEnd, status: number): Partial<LastAttempt> {
	const { usage, tokenEvents, ttft, seconds } = end;
	const failure: Failure | null =
		end.outcome === "cut" ? { kind: "cut", status, retryAfter: null, detail: end.error?.message ?? "cut" } : null;
	return { answered: true, failure, usage, tokenEvents, ttft, seconds };
}

/** Tells the scheduler that the pool has begun to answer. */
export function startAttempt(
	{ isolate }: Admitted,
	choice: Choice,
	ttft: Seconds,
	headersAt: Seconds,
	warmth: WarmthSignal | null,
): void {
	// Headers that came with the first token tell nothing of the round trip.
	const headers = headersAt < ttft * 0.8 ? headersAt : null;
	isolate.post
		.mailbox(choice.scheduler, Date.now() / 1_000)
		.firstToken({ reservation: choice.reservation, ttft, headers, ...(warmth && { warmth }) });
}

/** Tells the scheduler that an attempt is over. `billed` gets the attributed share of GPU time, if there is one. */
export function endAttempt(admitted: Admitted, attempt: LastAttempt, outcome: Outcome, billed: Billed): void {
	const { isolate } = admitted;
	const { choice, failure, usage, warmth } = attempt;
	isolate.replicas.exit(choice.replica.replica, attempt.replica.baseUrl, failure?.kind ?? null);
	isolate.post.mailbox(choice.scheduler, Date.now() / 1_000).ended(
		{
			reservation: choice.reservation,
			...(choice.decidedBy === "fallback" && { replica: choice.replica.replica }),
			outcome,
			...(failure && { failure: failure.kind, ...(failure.retryAfter !== null && { retryAfter: failure.retryAfter }) }),
			ttft: attempt.ttft,
			seconds: attempt.seconds,
			promptTokens: usage?.promptTokens ?? null,
			cachedTokens: usage?.cachedTokens ?? null,
			outputTokens: usage?.completionTokens ?? (attempt.tokenEvents > 0 ? attempt.tokenEvents : null),
			...(warmth && { warmth }),
		},
		billed,
	);
}

/** Settles a request with the ledger: at once, or when the scheduler has told the share of GPU time. */
export function settle(admitted: Admitted, ending: Ending): void {
	const { last, outcome } = ending;
	const { post } = admitted.isolate;
	post.announce(admitted.key.tenant, admitted.id);
	if (!last || ending.reported) return finish(admitted, ending, null);
	if (last.replica.pool.pricing.per === "token" || !last.answered) {
		endAttempt(admitted, last, outcome, () => {});
		return finish(admitted, ending, null);
	}
	endAttempt(admitted, last, outcome, (share) => finish(admitted, ending, share));
}

/** Settles it, once nothing is open any more of a hedge either. */
function finish(admitted: Admitted, ending: Ending, share: Bill | null): void {
	if (ending.hedge) ending.hedge.whenOver((hedge) => book(admitted, ending, share, hedge));
	else book(admitted, ending, share, null);
}

function book(admitted: Admitted, ending: Ending, share: Bill | null, hedge: HedgeEnd | null): void {
	const { key, hold, isolate } = admitted;
	const explanation = ending.last?.choice.explanation ?? ending.explanation;
	const record = recordOf(admitted, ending, explanation, share, hedge);
	const second = hedge ? hedgeSettlement(hedge) : undefined;
	const settlement = { record, lease: hold.lease, reserved: hold.amount, ...(second && { hedge: second }) };
	isolate.post.settle(key.tenant, key.id, hold, settlement);
	admitted.stage?.booked(record);
	admitted.beside?.booked(record);
	// A second model has not had the conversation.
	if (admitted.route && !admitted.stage && !admitted.beside) remember(isolate, admitted.route.plan, record);
	if (isolate.settings.logRequests) logRequest(record, explanation, admitted.route?.plan.explanation);
}

/** Where the conversation's next turn finds its prefix. */
export function remember(isolate: Isolate, plan: RoutePlan, record: RequestRecord): void {
	if (record.replica === null || record.outcome !== "ok") return;
	const tokens = record.prompt_tokens + record.completion_tokens;
	isolate.conversations.remember(
		plan.conversation,
		record.model,
		{ replica: record.replica, tokens },
		Date.now() / 1_000,
	);
}

const NO_CHARGE: Charge = {
	promptTokens: 0,
	cachedTokens: null,
	completionTokens: 0,
	source: "counted",
	actual: 0,
	cost: 0,
	start: 0,
};

function recordOf(
	admitted: Admitted,
	ending: Ending,
	explanation: Explanation | null,
	share: Bill | null,
	hedge: HedgeEnd | null,
): RequestRecord {
	const { key, request, model, hold, startedAt } = admitted;
	const { last, outcome } = ending;
	const charge = last
		? chargeOf({
				outcome,
				pricing: last.replica.pool.pricing,
				usage: last.usage,
				tokenEvents: last.tokenEvents,
				promptEstimate: last.choice.promptTokens,
				outputMax: admitted.outputTokensMax,
				answered: last.answered,
				seconds: last.seconds,
				share,
				reserved: last.hold.amount.nano,
			})
		: NO_CHARGE;
	const lost = hedge?.lost?.charge ?? NO_CHARGE;
	return {
		id: admitted.id,
		key: key.id,
		created: startedAt,
		endpoint: request.endpoint,
		requested_model: request.model,
		model: model.id,
		stream: request.stream,
		status: ending.status,
		outcome,
		error: ending.error?.code ?? null,
		pool: last?.replica.pool.id ?? null,
		replica: last?.replica.name ?? null,
		decided_by: last?.choice.decidedBy ?? null,
		attempts: ending.attempts,
		hedge: hedge?.record ?? null,
		waited_seconds: last?.choice.waited ?? 0,
		ttft_seconds: last?.ttft ?? null,
		seconds: Date.now() / 1_000 - startedAt,
		expected_ttft_seconds: last?.choice.replica.expectedTtft ?? null,
		expected_usd: last?.choice.replica.expectedUsd ?? null,
		prompt_tokens: charge.promptTokens,
		cached_tokens: charge.cachedTokens,
		completion_tokens: charge.completionTokens,
		usage_source: charge.source,
		cost_nano_usd: charge.cost + lost.cost,
		start_nano_usd: charge.start,
		hedge_nano_usd: lost.cost,
		actual_nano_usd: charge.actual + lost.actual,
		reserved_nano_usd: hold.amount.nano + (hedge?.hold?.amount.nano ?? 0),
		price_version: admitted.catalogVersion,
		decision: explanation && JSON.stringify(explanation),
		...(admitted.stage
			? { parent: admitted.stage.parent, stage: admitted.stage.role }
			: admitted.route && { route: routeText(admitted.route.plan.explanation, model.id) }),
	};
}
