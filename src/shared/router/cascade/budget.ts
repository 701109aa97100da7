import type { NanoUsd, Seconds } from "../../units.ts";

/** What one request may spend on all its calls; infinite where the client sets no bound. */
export interface RouteBudget {
	readonly nano: NanoUsd;
	readonly seconds: Seconds;
	readonly calls: number;
}

export type StopReason = "budget" | "time" | "calls";

/** What has been spent: by calls that have ended what they cost, by those under way the most that they may. */
export interface Spent {
	readonly nano: NanoUsd;
	readonly seconds: Seconds;
	readonly calls: number;
}

/** Why the next call, which may cost `worst`, must not be made; null where it may. */
export function stopBefore(budget: RouteBudget, spent: Spent, worst: NanoUsd): StopReason | null {
	if (spent.calls + 1 > budget.calls) return "calls";
	if (spent.seconds >= budget.seconds) return "time";
	return spent.nano + worst > budget.nano ? "budget" : null;
}
