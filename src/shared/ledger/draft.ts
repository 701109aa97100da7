import type { NanoUsd, Seconds } from "../units.ts";
import { rolled, type Account } from "./account.ts";
import type { Lease, Step } from "./lease.ts";
import type { RequestRecord, UsageRow } from "./messages.ts";

/** What a ledger remembers, as its decisions read it. */
export interface LedgerPages {
	account(key: string): Account | undefined;
	/** Any lease that is still remembered: live, expired or ended. */
	lease(id: string): Lease | undefined;
	liveLeases(key: string): Iterable<Lease>;
	/** Those of `ids` that have been settled and are still on record. */
	recordsAmong(ids: readonly string[]): ReadonlySet<string>;
}

/** One turn of the ledger before it is written: what it read, and over it what has changed. The values are immutable; only
 *  the maps grow. A turn that is dropped has changed nothing. */
export interface Draft {
	readonly pages: LedgerPages;
	readonly accounts: Map<string, Account>;
	readonly leases: Map<string, Lease>;
	readonly records: Map<string, RequestRecord>;
	/** What to add to each row of usage, by its day, key, model and pool. */
	readonly usage: Map<string, UsageRow>;
}

export function newDraft(pages: LedgerPages): Draft {
	return { pages, accounts: new Map(), leases: new Map(), records: new Map(), usage: new Map() };
}

export function isEmpty(draft: Draft): boolean {
	return draft.accounts.size + draft.leases.size + draft.records.size + draft.usage.size === 0;
}

/** The account as of `now`, with its periods rolled on. */
export function accountOf(draft: Draft, key: string, now: Seconds): Account | undefined {
	const account = draft.accounts.get(key) ?? draft.pages.account(key);
	return account && rolled(account, now);
}

export function leaseOf(draft: Draft, id: string): Lease | undefined {
	return draft.leases.get(id) ?? draft.pages.lease(id);
}

/** A lease with its account, as the steps of lease.ts take them. */
export function stepOf(draft: Draft, id: string, now: Seconds): Step | undefined {
	const lease = leaseOf(draft, id);
	const account = lease && accountOf(draft, lease.key, now);
	return account && { account, lease };
}

export function put(draft: Draft, { account, lease }: Step): void {
	draft.accounts.set(account.key, account);
	draft.leases.set(lease.id, lease);
}

/** Adds a settled request to its row of usage. */
export function addUsage(draft: Draft, key: string, day: string, record: RequestRecord, paid: NanoUsd): void {
	const { prompt_tokens, completion_tokens } = record;
	add(draft, {
		...emptyRow(day, key, record.model, record.pool ?? ""),
		requests: 1,
		prompt_tokens,
		cached_tokens: record.cached_tokens ?? 0,
		completion_tokens,
		cost_nano_usd: paid,
		start_nano_usd: Math.min(record.start_nano_usd, paid),
	});
}

/** Adds what a request paid for a call that was called off. */
export function addHedge(draft: Draft, key: string, day: string, model: string, pool: string, paid: NanoUsd): void {
	if (paid > 0) add(draft, { ...emptyRow(day, key, model, pool), cost_nano_usd: paid, hedge_nano_usd: paid });
}

/** Adds a charge that no settlement explains, or (negative) takes off what has been explained. It names no model and no pool. */
export function addUnconfirmed(draft: Draft, key: string, day: string, nano: NanoUsd): void {
	if (nano === 0) return;
	add(draft, { ...emptyRow(day, key, "", ""), cost_nano_usd: nano, unconfirmed_nano_usd: nano });
}

function emptyRow(day: string, key: string, model: string, pool: string): UsageRow {
	return {
		day,
		key,
		model,
		pool,
		requests: 0,
		prompt_tokens: 0,
		cached_tokens: 0,
		completion_tokens: 0,
		cost_nano_usd: 0,
		start_nano_usd: 0,
		hedge_nano_usd: 0,
		unconfirmed_nano_usd: 0,
	};
}

function add(draft: Draft, row: UsageRow): void {
	const id = JSON.stringify([row.day, row.key, row.model, row.pool]);
	const had = draft.usage.get(id);
	draft.usage.set(id, had ? addRows(had, row) : row);
}

/** The sum of two rows of the same day, key, model and pool. */
export function addRows(a: UsageRow, b: UsageRow): UsageRow {
	return {
		...a,
		requests: a.requests + b.requests,
		prompt_tokens: a.prompt_tokens + b.prompt_tokens,
		cached_tokens: a.cached_tokens + b.cached_tokens,
		completion_tokens: a.completion_tokens + b.completion_tokens,
		cost_nano_usd: a.cost_nano_usd + b.cost_nano_usd,
		start_nano_usd: a.start_nano_usd + b.start_nano_usd,
		hedge_nano_usd: a.hedge_nano_usd + b.hedge_nano_usd,
		unconfirmed_nano_usd: a.unconfirmed_nano_usd + b.unconfirmed_nano_usd,
	};
}
