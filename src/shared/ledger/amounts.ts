import type { Amount } from "./messages.ts";

export const NOTHING: Amount = { nano: 0, requests: 0, tokens: 0, slots: 0 };

export function plus(a: Amount, b: Amount): Amount {
	return {
		nano: a.nano + b.nano,
		requests: a.requests + b.requests,
		tokens: a.tokens + b.tokens,
		slots: a.slots + b.slots,
	};
}

export function minus(a: Amount, b: Amount): Amount {
	return {
		nano: a.nano - b.nano,
		requests: a.requests - b.requests,
		tokens: a.tokens - b.tokens,
		slots: a.slots - b.slots,
	};
}

export function times(a: Amount, k: number): Amount {
	return { nano: a.nano * k, requests: a.requests * k, tokens: a.tokens * k, slots: a.slots * k };
}

/** `a`, but in no part more than `most`. */
export function atMost(a: Amount, most: Amount): Amount {
	return {
		nano: Math.min(a.nano, most.nano),
		requests: Math.min(a.requests, most.requests),
		tokens: Math.min(a.tokens, most.tokens),
		slots: Math.min(a.slots, most.slots),
	};
}

export function isNothing(a: Amount): boolean {
	return a.nano === 0 && a.requests === 0 && a.tokens === 0 && a.slots === 0;
}

/** A whole number of at least 0 that a double holds exactly, rounded up; `otherwise` for what is no number at all. One NaN or fraction in a batch must
 *  neither poison a balance nor hold up the settlements that came with it. */
export function whole(value: number, otherwise = 0): number {
	if (Number.isNaN(value)) return otherwise;
	return value > 0 ? Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER) : 0;
}

export function wholeAmount(a: Amount): Amount {
	return { nano: whole(a.nano), requests: whole(a.requests), tokens: whole(a.tokens), slots: whole(a.slots) };
}
