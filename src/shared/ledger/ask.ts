import type { Seconds } from "../units.ts";
import { newAccount, roomOf } from "./account.ts";
import { NOTHING, plus, times, whole, wholeAmount } from "./amounts.ts";
import { accountOf, leaseOf, put, type Draft } from "./draft.ts";
import { fits, grantFor, refusalOf, roomWith } from "./grant.ts";
import { grantLease } from "./lease.ts";
import type { Amount, LeaseReply, LeaseRequest, LedgerRefusal } from "./messages.ts";

/** What a lease is granted under. */
export interface LeaseTerms {
	readonly seconds: Seconds;
	/** How many requests a lease may cover; 1 while others wait for what is left. */
	readonly requestsMax: number;
}

export type Asked =
	| { readonly kind: "decided"; readonly reply: LeaseReply }
	/** It does not fit now. `recallable`: it would if the open leases of the key came back whole. */
	| { readonly kind: "short"; readonly refusal: LedgerRefusal; readonly recallable: boolean };

/** Decides on one lease. Only when for every budget "spent + outstanding + granted <= limit" is it granted. */
export function askLease(draft: Draft, request: LeaseRequest, holder: string, terms: LeaseTerms, now: Seconds): Asked {
	const known = leaseOf(draft, request.lease);
	if (known) {
		if (known.state !== "live") return granted(NOTHING, 0);
		draft.leases.set(known.id, { ...known, expiresAt: Math.max(known.expiresAt, now + terms.seconds) });
		return granted(known.granted, terms.seconds);
	}
	const before = accountOf(draft, request.key, now) ?? newAccount(request.key, request.limits, now);
	const account = { ...before, limits: request.limits };
	const room = roomOf(account, now);
	const need = wholeAmount(request.need);
	if (!fits(room, need)) {
		const back = openAmount(draft, request.key);
		const recallable = fits(roomWith(room, back, account), need);
		return { kind: "short", refusal: refusalOf(account, need, now), recallable };
	}
	const requests = grantFor(room, need, Math.min(whole(request.want, 1), terms.requestsMax));
	const amount = times(need, requests);
	const drawing = requests > 1 ? "open" : "once";
	const lease = { id: request.lease, holder, drawing, granted: amount, expiresAt: now + terms.seconds } as const;
	put(draft, grantLease(account, lease, now));
	return granted(amount, terms.seconds);
}

function granted(amount: Amount, seconds: Seconds): Asked {
	return { kind: "decided", reply: { ok: true, value: { granted: amount, seconds } } };
}

/** What the key's open leases hold: the most that recalling them can bring back. */
function openAmount(draft: Draft, key: string): Amount {
	let sum = NOTHING;
	for (const { id } of draft.pages.liveLeases(key)) {
		const lease = leaseOf(draft, id);
		if (lease?.state === "live" && lease.drawing === "open") sum = plus(sum, lease.held);
	}
	return sum;
}
