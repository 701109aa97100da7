import type { NanoUsd, Seconds, Tokens } from "../units.ts";
import { charge, newAccount, UNLIMITED } from "./account.ts";
import { whole } from "./amounts.ts";
import { accountOf, addHedge, addUnconfirmed, addUsage, leaseOf, put, stepOf, type Draft } from "./draft.ts";
import { buriedLease, expireLease, returnLease, settleLease, type Lease } from "./lease.ts";
import type { LeaseReturn, LedgerMail, RequestRecord, Settlement } from "./messages.ts";

/** A lease's end moves only when that gains more than this share of its life: an isolate names its leases in every mail. */
const RENEWAL_WORTH = 0.1;

/** Books everything that one isolate reports. Any part of it may have come before: it then changes nothing. */
export function takeMail(draft: Draft, mail: LedgerMail, leaseSeconds: Seconds, now: Seconds): void {
	// First, so that a lease whose holder is late but there does not end in this very turn.
	for (const id of mail.renewals) renew(draft, id, leaseSeconds, now);
	const settled = draft.pages.recordsAmong(mail.settlements.map(({ record }) => record.id));
	for (const settlement of mail.settlements) {
		const { id } = settlement.record;
		if (!settled.has(id) && !draft.records.has(id)) settle(draft, settlement, now);
	}
	takeReturns(draft, mail.returns, now);
}

export function takeReturns(draft: Draft, returns: readonly LeaseReturn[], now: Seconds): void {
	for (const { lease: id, unused } of returns) {
		const step = stepOf(draft, id, now);
		if (!step) {
			if (!leaseOf(draft, id)) draft.leases.set(id, buriedLease(id, now));
			continue;
		}
		if (step.lease.drawing === "closed") continue;
		const done = returnLease(step, unused, now);
		put(draft, done);
		addUnconfirmed(draft, step.lease.key, done.day, -done.confirmed);
	}
}

/** Ends those of `leases` that are past their time. What they held is charged, see `expireLease`. */
export function expireLeases(draft: Draft, leases: Iterable<Lease>, now: Seconds): void {
	for (const { id } of leases) {
		const step = stepOf(draft, id, now);
		if (step?.lease.state !== "live" || step.lease.expiresAt > now) continue;
		put(draft, expireLease(step, now));
		addUnconfirmed(draft, step.lease.key, step.account.day, step.lease.held.nano);
	}
}

function renew(draft: Draft, id: string, leaseSeconds: Seconds, now: Seconds): void {
	const lease = leaseOf(draft, id);
	if (lease?.state !== "live") return;
	const expiresAt = now + leaseSeconds;
	if (expiresAt - lease.expiresAt > leaseSeconds * RENEWAL_WORTH) draft.leases.set(id, { ...lease, expiresAt });
}

function settle(draft: Draft, settlement: Settlement, now: Seconds): void {
	const { hedge } = settlement;
	const record = sane(settlement);
	const tokens = record.prompt_tokens + record.completion_tokens;
	const answer = { nano: record.cost_nano_usd - record.hedge_nano_usd, tokens };
	const lost = { nano: record.hedge_nano_usd, tokens: whole(hedge?.lost.tokens ?? 0) };
	// Each call is paid for from its own hold.
	const first = pay(draft, record.key, settlement, hedge?.won ? lost : answer, now);
	const second = hedge && pay(draft, record.key, hedge, hedge.won ? answer : lost, now);
	const [won, off] = second && hedge.won ? [second, first] : [first, second];
	const hedged = off?.paid ?? 0;
	const start = Math.min(record.start_nano_usd, won.paid);
	// What was made of several requests is counted with those.
	if (!record.calls) addUsage(draft, won.key, won.day, { ...record, start_nano_usd: start }, won.paid);
	if (off && hedge) addHedge(draft, off.key, off.day, record.model, hedge.lost.pool, hedged);
	const paid = won.paid + hedged;
	const isWhole = paid === record.cost_nano_usd;
	draft.records.set(
		record.id,
		isWhole ? record : { ...record, cost_nano_usd: paid, start_nano_usd: start, hedge_nano_usd: hedged },
	);
}

interface Paid {
	readonly paid: NanoUsd;
	readonly key: string;
	/** To which it is booked. */
	readonly day: string;
}

/** Charges what a call cost to what was held for it. */
function pay(
	draft: Draft,
	key: string,
	{ lease, reserved }: Pick<Settlement, "lease" | "reserved">,
	cost: { readonly nano: NanoUsd; readonly tokens: Tokens },
	now: Seconds,
): Paid {
	const step = lease === null ? undefined : stepOf(draft, lease, now);
	if (!step) {
		// Nothing was held for it, or so long ago that the lease is forgotten: the cost is real all the same.
		const account = accountOf(draft, key, now) ?? newAccount(key, UNLIMITED, now);
		draft.accounts.set(account.key, charge(account, account.day, cost.nano));
		return { paid: cost.nano, key: account.key, day: account.day };
	}
	const done = settleLease(step, reserved, cost.nano, cost.tokens, now);
	put(draft, done);
	addUnconfirmed(draft, step.lease.key, done.day, -done.confirmed);
	return { paid: done.paid, key: step.lease.key, day: done.day };
}

/** The record with whole numbers. A cost that is no number is charged as reserved. Isolates of an older version tell of no start
 *  and no hedge. */
function sane({ record, reserved, hedge }: Settlement): RequestRecord {
	const cost = whole(record.cost_nano_usd, whole(reserved.nano) + whole(hedge?.reserved.nano ?? 0));
	const hedged = hedge ? Math.min(cost, whole(record.hedge_nano_usd)) : 0;
	return {
		...record,
		prompt_tokens: whole(record.prompt_tokens),
		cached_tokens: record.cached_tokens === null ? null : whole(record.cached_tokens),
		completion_tokens: whole(record.completion_tokens),
		cost_nano_usd: cost,
		start_nano_usd: Math.min(cost - hedged, whole(record.start_nano_usd)),
		hedge_nano_usd: hedged,
	};
}
