import type { NanoUsd, Seconds } from "../units.ts";
import { minus, NOTHING, plus } from "./amounts.ts";
import { drawn, levelOf, type Bucket } from "./bucket.ts";
import type { Amount, KeyLimits } from "./messages.ts";
import { dayOf, monthOf, type Period } from "./periods.ts";

/** One key's money and rates. What is committed in a period is what was spent in it plus all that live leases hold. */
export interface Account {
	readonly key: string;
	readonly limits: KeyLimits;
	/** The UTC day of `spent.day`, whose month is that of `spent.month`. It never goes back, even when the clock does. */
	readonly day: string;
	readonly spent: Readonly<Record<Period, NanoUsd>>;
	/** The sum over the key's live leases. */
	readonly held: Amount;
	readonly requests: Bucket;
	readonly tokens: Bucket;
}

/** What is left of each budget and limit; infinite where there is none, negative where a limit was lowered. */
export interface Room {
	readonly day: NanoUsd;
	readonly month: NanoUsd;
	readonly total: NanoUsd;
	readonly requests: number;
	readonly tokens: number;
	readonly slots: number;
}

export const UNLIMITED: KeyLimits = {
	dayNano: null,
	monthNano: null,
	totalNano: null,
	requestsPerMinute: null,
	tokensPerMinute: null,
	concurrency: null,
};

export function newAccount(key: string, limits: KeyLimits, now: Seconds): Account {
	return {
		key,
		limits,
		day: dayOf(now),
		spent: { day: 0, month: 0, total: 0 },
		held: NOTHING,
		requests: null,
		tokens: null,
	};
}

/** The account at `now`. At midnight what was spent starts again from nothing, but what leases hold goes on to count: it will
 *  be charged to the day in which it is settled, so the new day cannot be overspent by requests of the old one. */
export function rolled(account: Account, now: Seconds): Account {
	const day = dayOf(now);
	if (day <= account.day) return account;
	const month = monthOf(day) === monthOf(account.day) ? account.spent.month : 0;
	return { ...account, day, spent: { day: 0, month, total: account.spent.total } };
}

/** What may still be granted. */
export function roomOf(account: Account, now: Seconds): Room {
	const { limits, spent, held } = account;
	const left = (limit: NanoUsd | null, spentNano: NanoUsd) => (limit ?? Infinity) - spentNano - held.nano;
	return {
		day: left(limits.dayNano, spent.day),
		month: left(limits.monthNano, spent.month),
		total: left(limits.totalNano, spent.total),
		requests: limits.requestsPerMinute === null ? Infinity : levelOf(account.requests, limits.requestsPerMinute, now),
		tokens: limits.tokensPerMinute === null ? Infinity : levelOf(account.tokens, limits.tokensPerMinute, now),
		slots: (limits.concurrency ?? Infinity) - held.slots,
	};
}

/** `amount` goes to a lease. */
export function hold(account: Account, amount: Amount, now: Seconds): Account {
	return { ...drawRates(account, amount.requests, amount.tokens, now), held: plus(account.held, amount) };
}

/** `amount` is no longer held by a lease; of it, `requests` and `tokens` were not used and may be drawn again. */
export function release(account: Account, amount: Amount, requests: number, tokens: number, now: Seconds): Account {
	return { ...drawRates(account, -requests, -tokens, now), held: minus(account.held, amount) };
}

/** Adds `nano` (negative: corrects) to what was spent on `day`, in each period of the account that holds that day. */
export function charge(account: Account, day: string, nano: NanoUsd): Account {
	if (nano === 0) return account;
	const { spent } = account;
	return {
		...account,
		spent: {
			day: spent.day + (day === account.day ? nano : 0),
			month: spent.month + (monthOf(day) === monthOf(account.day) ? nano : 0),
			total: spent.total + nano,
		},
	};
}

function drawRates(account: Account, requests: number, tokens: number, now: Seconds): Account {
	const { limits } = account;
	return {
		...account,
		requests: drawn(account.requests, limits.requestsPerMinute, requests, now),
		tokens: drawn(account.tokens, limits.tokensPerMinute, tokens, now),
	};
}
