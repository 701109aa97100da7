import type { NanoUsd, Seconds, Tokens } from "../units.ts";
import { charge, hold, release, type Account } from "./account.ts";
import { atMost, isNothing, minus, NOTHING, wholeAmount } from "./amounts.ts";
import type { Amount } from "./messages.ts";

/** An amount of one key's budget and limits that one isolate may draw from.
 *
 *  `live`: counts as outstanding. `expired`: nobody renewed it; the money that it still held was charged as unconfirmed, and
 *  `held.nano` is the part of that charge which no settlement has explained yet. `ended`: holds nothing. */
export interface Lease {
	readonly id: string;
	readonly key: string;
	readonly holder: string;
	readonly state: "live" | "expired" | "ended";
	/** `once`: granted for the one request at hand. `open`: for more, so it may hold what no request has drawn, and only such
	 *  a lease is worth recalling. `closed`: its holder has returned what was unused. */
	readonly drawing: "once" | "open" | "closed";
	readonly granted: Amount;
	readonly held: Amount;
	readonly expiresAt: Seconds;
	readonly endedAt: Seconds | null;
	/** The UTC day to which an expired lease was charged. */
	readonly chargedDay: string | null;
}

/** A lease and its account after a step; the store writes both or neither. */
export interface Step {
	readonly account: Account;
	readonly lease: Lease;
}

export interface Settled extends Step {
	/** What the tenant pays: never more than the lease still held for the request. */
	readonly paid: NanoUsd;
	/** The day to which it is booked. */
	readonly day: string;
	/** What had been charged as unconfirmed before and is explained now. */
	readonly confirmed: NanoUsd;
}

export function grantLease(
	account: Account,
	lease: Pick<Lease, "id" | "holder" | "drawing" | "granted" | "expiresAt">,
	now: Seconds,
): Step {
	return {
		account: hold(account, lease.granted, now),
		lease: { ...lease, key: account.key, state: "live", held: lease.granted, endedAt: null, chargedDay: null },
	};
}

/** A lease that was given up before it was asked for. It exists so that it is never granted. */
export function buriedLease(id: string, now: Seconds): Lease {
	return {
		id,
		key: "",
		holder: "",
		state: "ended",
		drawing: "closed",
		granted: NOTHING,
		held: NOTHING,
		expiresAt: now,
		endedAt: now,
		chargedDay: null,
	};
}

/** One request of the lease has ended and cost `cost` for `tokens` tokens. After the lease expired, the settlement corrects
 *  the unconfirmed charge, on the day of that charge. */
export function settleLease(
	{ account, lease }: Step,
	reserved: Amount,
	cost: NanoUsd,
	tokens: Tokens,
	now: Seconds,
): Settled {
	const taken = atMost(wholeAmount(reserved), lease.held);
	const paid = Math.min(cost, taken.nano);
	if (lease.state === "expired") {
		const day = lease.chargedDay ?? account.day;
		return {
			account: charge(account, day, paid - taken.nano),
			lease: { ...lease, held: minus(lease.held, taken) },
			paid,
			day,
			confirmed: taken.nano,
		};
	}
	const released = release(account, taken, 0, Math.max(0, taken.tokens - tokens), now);
	return {
		account: charge(released, account.day, paid),
		lease: withHeld(lease, minus(lease.held, taken), now),
		paid,
		day: account.day,
		confirmed: 0,
	};
}

/** The holder has closed the lease and gives `unused` back. Of an expired lease only money is left to give back: the holder
 *  knows that it was not spent, so this is no guess. */
export function returnLease({ account, lease }: Step, unused: Amount, now: Seconds): Omit<Settled, "paid"> {
	const taken = atMost(wholeAmount(unused), lease.held);
	const closed = withHeld({ ...lease, drawing: "closed" }, minus(lease.held, taken), now);
	const day = lease.chargedDay ?? account.day;
	if (lease.state === "expired") {
		return { account: charge(account, day, -taken.nano), lease: closed, day, confirmed: taken.nano };
	}
	return { account: release(account, taken, taken.requests, taken.tokens, now), lease: closed, day, confirmed: 0 };
}

/** Nobody has renewed the lease: its money is charged in full, since requests may have spent it, and its capacity returns. */
export function expireLease({ account, lease }: Step, now: Seconds): Step {
	const { held } = lease;
	const released = release(account, held, held.requests, held.tokens, now);
	return {
		account: charge(released, account.day, held.nano),
		lease: { ...lease, state: "expired", held: { ...NOTHING, nano: held.nano }, endedAt: now, chargedDay: account.day },
	};
}

function withHeld(lease: Lease, held: Amount, now: Seconds): Lease {
	if (lease.state !== "live" || !isNothing(held)) return { ...lease, held };
	return { ...lease, held, state: "ended", endedAt: now };
}
