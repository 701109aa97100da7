import type { Key } from "../catalog/keys.ts";
import { nanoFromUsd } from "../money/nano.ts";
import type { NanoUsd, Usd } from "../units.ts";
import type { KeyLimits } from "./messages.ts";

/** A key's budget and limits as its ledger takes them. */
export function limitsOf({ budget, limits }: Pick<Key, "budget" | "limits">): KeyLimits {
	return {
		dayNano: nano(budget.day_usd),
		monthNano: nano(budget.month_usd),
		totalNano: nano(budget.total_usd),
		requestsPerMinute: limits.requests_per_minute ?? null,
		tokensPerMinute: limits.tokens_per_minute ?? null,
		concurrency: limits.concurrency ?? null,
	};
}

/** Whether anything has to be reserved at all. */
export function isLimited(limits: KeyLimits): boolean {
	return Object.values(limits).some((limit) => limit !== null);
}

/** A budget is rounded down: it is never exceeded by the rounding. */
function nano(usd: Usd | undefined): NanoUsd | null {
	if (usd === undefined) return null;
	const rounded = nanoFromUsd(usd);
	return rounded - 1e-3 > usd * 1e9 ? rounded - 1 : rounded;
}
