import type { Seconds } from "../units.ts";
import { roomOf, type Account, type Room } from "./account.ts";
import { secondsUntil } from "./bucket.ts";
import type { Amount, LedgerRefusal } from "./messages.ts";
import { renewsAt, type Period } from "./periods.ts";

/** A lease takes at most this share of what is left of a budget or rate, so that leases shrink as the end nears and what lies
 *  unused in many isolates stays small beside it. */
const LEASE_SHARE = 1 / 32;
/** Requests in flight are few, and a slot that is not used comes back within a second. */
const SLOT_SHARE = 1 / 8;
/** A bucket refills in fractions; this much less than a whole request is rounding. */
const LEVEL_SLACK = 1e-6;

/** How many times `need` a lease is granted when one fits: up to `want` while each budget and rate is far from its end, then
 *  ever fewer, and exactly one near the end. */
export function grantFor(room: Room, need: Amount, want: number): number {
	const nano = Math.min(room.day, room.month, room.total);
	const most = Math.min(
		want,
		covered(nano * LEASE_SHARE, need.nano),
		covered(room.requests * LEASE_SHARE, need.requests),
		covered(room.tokens * LEASE_SHARE, need.tokens),
		covered(room.slots * SLOT_SHARE, need.slots),
	);
	return Math.max(1, Math.floor(most));
}

function covered(share: number, need: number): number {
	return need === 0 ? Infinity : share / need;
}

export function fits(room: Room, need: Amount): boolean {
	return (
		isIn(Math.min(room.day, room.month, room.total), need.nano) &&
		isIn(room.requests + LEVEL_SLACK, need.requests) &&
		isIn(room.tokens + LEVEL_SLACK, need.tokens) &&
		isIn(room.slots, need.slots)
	);
}

/** Nothing fits everywhere, also where a limit that was lowered has left less than no room. */
function isIn(room: number, need: number): boolean {
	return need === 0 || need <= room;
}

/** The room that there would be if `amount` came back. A bucket never holds more than a minute's worth. */
export function roomWith(room: Room, amount: Amount, { limits }: Account): Room {
	return {
		day: room.day + amount.nano,
		month: room.month + amount.nano,
		total: room.total + amount.nano,
		requests: Math.min(limits.requestsPerMinute ?? Infinity, room.requests + amount.requests),
		tokens: Math.min(limits.tokensPerMinute ?? Infinity, room.tokens + amount.tokens),
		slots: room.slots + amount.slots,
	};
}

/** Why `need` does not fit. Money comes first, and of the budgets the one that renews last, since waiting for another would
 *  not help. Call it only when `fits` is false. */
export function refusalOf(account: Account, need: Amount, now: Seconds): LedgerRefusal {
	const { limits } = account;
	const room = roomOf(account, now);
	const budgets: readonly [Period, number | null][] = [
		["total", limits.totalNano],
		["month", limits.monthNano],
		["day", limits.dayNano],
	];
	for (const [period, limitNano] of budgets) {
		if (limitNano === null || isIn(room[period], need.nano)) continue;
		const leftNano = Math.max(0, room[period]);
		const renews = renewsAt(period, account.day);
		return { code: "budget_exhausted", period, limitNano, leftNano, neededNano: need.nano, renewsAt: renews };
	}
	const rates = [
		["requests_per_minute", limits.requestsPerMinute, need.requests, room.requests, account.requests],
		["tokens_per_minute", limits.tokensPerMinute, need.tokens, room.tokens, account.tokens],
	] as const;
	for (const [limit, allowed, needed, left, bucket] of rates) {
		if (allowed === null || isIn(left + LEVEL_SLACK, needed)) continue;
		return { code: "rate_limited", limit, allowed, needed, retryAfter: secondsUntil(bucket, allowed, needed, now) };
	}
	return { code: "concurrency_limited", allowed: limits.concurrency ?? 0, retryAfter: 1 };
}
