/** What crosses between an isolate and the ledger object of a tenant. */
import type { ErrorCode } from "../http/errors.ts";
import type { Explanation } from "../scheduler/explanation.ts";
import type { HedgeRefusal, Outcome } from "../scheduler/messages.ts";
import type { NanoUsd, Seconds, Tokens, Usd } from "../units.ts";
import type { HedgeTerms } from "../warmth/hedge.ts";

/** What one request, or one lease, holds of a key's budget and limits. */
export interface Amount {
	readonly nano: NanoUsd;
	readonly requests: number;
	readonly tokens: Tokens;
	/** Requests in flight at once. */
	readonly slots: number;
}

/** A key's budget and limits, from the catalog. Null: not limited. */
export interface KeyLimits {
	readonly dayNano: NanoUsd | null;
	readonly monthNano: NanoUsd | null;
	readonly totalNano: NanoUsd | null;
	readonly requestsPerMinute: number | null;
	readonly tokensPerMinute: Tokens | null;
	readonly concurrency: number | null;
}

/** An isolate asks for enough to admit one request, and would like enough for `want` such requests. What it gets is a whole
 *  multiple of `need`; exactly `need` is for the request at hand, and such a lease is not recalled. */
export interface LeaseRequest {
	/** Chosen by the isolate: a repeated call with the same id gets the same answer. Once the lease has ended, the answer is
	 *  a grant of nothing for 0 seconds: ask with a new id. */
	readonly lease: string;
	readonly key: string;
	readonly limits: KeyLimits;
	readonly need: Amount;
	readonly want: number;
	readonly returns: readonly LeaseReturn[];
}

/** Closes a lease: its holder draws nothing more from it, and gives back what no request in flight holds. The first return of
 *  a lease counts and repeating it changes nothing, so a lost one is sent again. The lease ends when it holds nothing more. */
export interface LeaseReturn {
	readonly lease: string;
	/** More than the lease holds means all of it (`Infinity` is allowed): how an isolate gives up a lease whose grant it
	 *  never saw. A lease that the ledger does not know yet will then not be granted either. */
	readonly unused: Amount;
}

export type LeaseReply =
	| { readonly ok: true; readonly value: { readonly granted: Amount; readonly seconds: Seconds } }
	| { readonly ok: false; readonly error: LedgerRefusal };

export type LedgerRefusal =
	| {
			readonly code: "budget_exhausted";
			readonly period: "day" | "month" | "total";
			readonly limitNano: NanoUsd;
			readonly leftNano: NanoUsd;
			readonly neededNano: NanoUsd;
			/** Unix seconds; null for `total`, which does not renew. */
			readonly renewsAt: Seconds | null;
	  }
	| {
			readonly code: "rate_limited";
			readonly limit: "requests_per_minute" | "tokens_per_minute";
			readonly allowed: number;
			/** Over `allowed`: the request never fits, however long it waits. */
			readonly needed: number;
			readonly retryAfter: Seconds;
	  }
	| { readonly code: "concurrency_limited"; readonly allowed: number; readonly retryAfter: Seconds };

/** A request has ended: what it held is replaced by what it cost. Idempotent by the record's id. */
export interface Settlement {
	readonly record: RequestRecord;
	/** Null where the request held nothing: a key without limits, or the ledger was unreachable. */
	readonly lease: string | null;
	/** Taken off the lease, all four: money that the request did not cost, its slot, and tokens that it did not use go back
	 *  to the key. At most `reserved.nano` is charged. */
	readonly reserved: Amount;
	/** Of a request that was sent a second time. */
	readonly hedge?: HedgeSettlement;
}

/** What a hedge held beside its request. Of the two calls one gave the answer and the other was called off; each is paid for from
 *  its own hold. */
export interface HedgeSettlement extends Pick<Settlement, "lease" | "reserved"> {
	/** The hedge gave the answer. */
	readonly won: boolean;
	/** What was called off, which is part of the record's cost. */
	readonly lost: { readonly pool: string; readonly nano: NanoUsd; readonly tokens: Tokens };
}

export interface LedgerMail {
	readonly settlements: readonly Settlement[];
	readonly returns: readonly LeaseReturn[];
	/** Leases that this isolate still holds: each lives for another `leaseSeconds`. */
	readonly renewals: readonly string[];
}

export interface LedgerMailReply {
	/** Open leases of this holder whose unused part another isolate needs now: answer each with a `LeaseReturn`, even when
	 *  nothing is unused, because another request waits until all have answered. */
	readonly recalled: readonly string[];
}

export type UsageSource = "reported" | "counted" | "worst_case";

/** What `GET /v1/requests/{id}` answers. Holds no prompt and no key. */
export interface RequestRecord {
	readonly id: string;
	readonly key: string;
	/** Unix seconds. */
	readonly created: Seconds;
	readonly endpoint: string;
	/** As the client named it, and as it was resolved. */
	readonly requested_model: string;
	readonly model: string;
	readonly stream: boolean;
	/** HTTP status of the answer. */
	readonly status: number;
	readonly outcome: Outcome;
	readonly error: string | null;
	readonly pool: string | null;
	readonly replica: string | null;
	readonly decided_by: "scheduler" | "fallback" | null;
	readonly attempts: readonly Attempt[];
	/** Null where no hedge was asked for. */
	readonly hedge: HedgeRecord | null;
	readonly waited_seconds: Seconds;
	readonly ttft_seconds: Seconds | null;
	readonly seconds: Seconds;
	readonly expected_ttft_seconds: Seconds | null;
	readonly expected_usd: Usd | null;
	readonly prompt_tokens: Tokens;
	readonly cached_tokens: Tokens | null;
	readonly completion_tokens: Tokens;
	readonly usage_source: UsageSource;
	/** What the tenant pays: min(actual, reserved). */
	readonly cost_nano_usd: NanoUsd;
	/** Of that, for the start of a pool that it waited for: the share of GPU time that fell into it. */
	readonly start_nano_usd: NanoUsd;
	/** Of the cost, for the call that was called off when the other one of the two answered first. */
	readonly hedge_nano_usd: NanoUsd;
	/** What it really cost; over `cost_nano_usd` the excess is the operator's. */
	readonly actual_nano_usd: NanoUsd;
	readonly reserved_nano_usd: NanoUsd;
	readonly price_version: number;
	/** In columns, as JSON text: it crosses to the ledger with every request, is stored, and hardly ever read; `GET
	 *  /v1/requests/{id}` spells it out. Records of older versions hold the object. Null where no decision was made, or it was
	 *  too large to keep. */
	readonly decision: string | Explanation | null;
	/** A RouteExplanation (router/explanation.ts) as JSON text. Absent where the client named the model. */
	readonly route?: string;
	/** Of one of several requests that were made for a client's: that one's id, and what this was for. */
	readonly parent?: string;
	readonly stage?: string;
	/** Ids of the requests that were made for this one. What they cost stands in their records, and usage counts them. */
	readonly calls?: readonly string[];
	/** The answer had been given before, or was given to an identical request meanwhile. */
	readonly cache?: "hit" | "joined";
	/** The rule that answered. */
	readonly rule?: string;
}

export interface Attempt {
	readonly replica: string;
	readonly status: number | null;
	readonly failure: string | null;
	readonly seconds: Seconds;
	/** It was made beside the one before. */
	readonly hedge?: true;
	/** It was sent twice: the first time on a connection that the replica had closed. */
	readonly repeated?: true;
}

/** Whether a request was sent a second time because its answer was late, and what came of it. */
export interface HedgeRecord {
	/** `won`: the answer is the hedge's; `lost`: the first call's; `failed`: the hedge itself failed, or both did; `refused`: it was
	 *  not made. */
	readonly outcome: "won" | "lost" | "failed" | "refused";
	/** Why it was not made: the scheduler's reason, the code of an error, or that the answer came meanwhile. */
	readonly refused: HedgeRefusal | ErrorCode | "answered" | null;
	/** Where it went. */
	readonly replica: string | null;
	/** Seconds from the first call to the second, or to the refusal. */
	readonly after_seconds: Seconds;
	/** What decided, in USD: `time + late > slower + cost`. */
	readonly terms: HedgeTerms | null;
}

/** Which rows of usage to read. Days are UTC, `2026-11-23`, both ends included. */
export interface UsageQuery {
	readonly from?: string | undefined;
	readonly to?: string | undefined;
	readonly key?: string | undefined;
	readonly model?: string | undefined;
	readonly pool?: string | undefined;
}

/** What a key has spent of its budget, and what its live leases hold. */
export interface BudgetState {
	readonly key: string;
	/** UTC day of `spent.day`; its month is that of `spent.month`. */
	readonly day: string;
	readonly spent: { readonly day: NanoUsd; readonly month: NanoUsd; readonly total: NanoUsd };
	/** Counts against every period, and against the limits. */
	readonly outstanding: Amount;
	/** As the key's latest lease named them. */
	readonly limits: KeyLimits;
}

/** One row of `GET /v1/usage`. Charges that no settlement explains stand in a row of their own, whose model and pool are
 *  empty; a settlement that comes late moves its part to the row where it belongs. */
export interface UsageRow {
	/** UTC, `2026-11-23`. */
	readonly day: string;
	readonly key: string;
	readonly model: string;
	readonly pool: string;
	readonly requests: number;
	readonly prompt_tokens: Tokens;
	readonly cached_tokens: Tokens;
	readonly completion_tokens: Tokens;
	readonly cost_nano_usd: NanoUsd;
	/** Of the cost, what requests paid for starts of pools that they waited for. */
	readonly start_nano_usd: NanoUsd;
	/** Of the cost, what was called off because another pool answered first. It stands in the row of the pool that lost. */
	readonly hedge_nano_usd: NanoUsd;
	/** Of the cost, what was charged for leases that were never settled. */
	readonly unconfirmed_nano_usd: NanoUsd;
}

/** Both as of one moment: a key's rows add up to what it has spent. */
export interface Statement {
	readonly rows: readonly UsageRow[];
	readonly budget: BudgetState;
}

/** A tenant's ledger object, as an isolate calls it. */
export interface LedgerPort {
	lease(request: LeaseRequest, holder: string): Promise<LeaseReply>;
	mail(mail: LedgerMail, holder: string): Promise<LedgerMailReply>;
	usage(query: UsageQuery): Promise<readonly UsageRow[]>;
	budget(key: string): Promise<BudgetState>;
	/** Rows of usage of the tenant, and the budget of one of its keys. */
	statement(query: UsageQuery, key: string): Promise<Statement>;
	request(id: string): Promise<RequestRecord | null>;
}
