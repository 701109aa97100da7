import type { Amount, LeaseReturn, LedgerRefusal } from "../../src/shared/ledger/messages.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import type { Seconds } from "../../src/shared/units.ts";

/** What a request holds until it is settled. `lease` is null where nothing had to be reserved. */
export interface Hold {
	readonly lease: string | null;
	readonly amount: Amount;
}

/** An amount that the ledger has reserved, from which requests draw. */
export interface Lease {
	readonly id: string;
	left: Amount;
	/** Requests in flight that drew from it. */
	inFlight: number;
	expiresAt: Seconds;
	readonly seconds: Seconds;
	lastDraw: Seconds;
	/** Nothing more may be drawn: it was recalled, or has been given back. */
	closed: boolean;
}

/** A request that nothing in hand covers. */
export interface Waiting {
	readonly need: Amount;
	readonly resolve: (result: Result<Hold, LedgerRefusal>) => void;
	readonly reject: (error: unknown) => void;
	given?: Hold;
}

/** The leases of one key. */
export interface Purse {
	readonly leases: Map<string, Lease>;
	current: Lease | undefined;
	/** Requests that the next lease should cover. */
	want: number;
	readonly waiting: Waiting[];
	asking: boolean;
	/** When the present asker began, and when it last called. */
	askingSince: Seconds;
	askedAt: Seconds;
	/** Counts the askers: one that was relieved stops after its call. */
	turn: number;
}

export const NOTHING: Amount = { nano: 0, requests: 0, tokens: 0, slots: 0 };

function covers(left: Amount, need: Amount): boolean {
	return (
		left.nano >= need.nano && left.requests >= need.requests && left.tokens >= need.tokens && left.slots >= need.slots
	);
}

/** Takes `need` out of the lease in hand; undefined where that does not cover it. */
export function draw(purse: Purse, need: Amount, now: Seconds): Hold | undefined {
	const lease = purse.current;
	// A lease close to its end may be charged as lost before the request could settle.
	if (!lease || lease.closed || now > lease.expiresAt - lease.seconds / 3 || !covers(lease.left, need))
		return undefined;
	lease.left = {
		nano: lease.left.nano - need.nano,
		requests: lease.left.requests - need.requests,
		tokens: lease.left.tokens - need.tokens,
		slots: lease.left.slots - need.slots,
	};
	lease.inFlight++;
	lease.lastDraw = now;
	return { lease: lease.id, amount: need };
}

/** Gives to who waits, in turn, what there is. */
export function serve(purse: Purse, now: Seconds): void {
	while (purse.waiting.length > 0) {
		const hold = draw(purse, purse.waiting[0]!.need, now);
		if (!hold) return;
		const waiting = purse.waiting.shift()!;
		waiting.given = hold;
		waiting.resolve(ok(hold));
	}
}

/** Whoever waited when the ledger was asked and needs as much does not fit either. Who came while it decided asks anew: room may
 *  have come back since. */
export function refuse(purse: Purse, present: ReadonlySet<Waiting>, need: Amount, refusal: LedgerRefusal): void {
	const stay: Waiting[] = [];
	for (const waiting of purse.waiting.splice(0)) {
		if (present.has(waiting) && covers(waiting.need, need)) waiting.resolve(err(refusal));
		else stay.push(waiting);
	}
	purse.waiting.push(...stay);
}

/** Nothing more is drawn from it: what is left goes back. */
export function close(purse: Purse, lease: Lease): LeaseReturn {
	const unused = lease.left;
	lease.left = NOTHING;
	lease.closed = true;
	if (purse.current === lease) purse.current = undefined;
	return { lease: lease.id, unused };
}
