import type { PoolPricing } from "../catalog/pricing.ts";
import type { ReportedUsage } from "../http/usage.ts";
import type { UsageSource } from "../ledger/messages.ts";
import type { Bill, Outcome } from "../scheduler/messages.ts";
import type { NanoUsd, Seconds, Tokens } from "../units.ts";
import { secondsAtPrice } from "./nano.ts";
import { tokenBill } from "./pricing.ts";

/** What is known of a request when it has ended. */
export interface Observed {
	readonly outcome: Outcome;
	readonly pricing: PoolPricing;
	/** What the pool reported, if it did. */
	readonly usage: ReportedUsage | null;
	/** Events that carried a piece of the answer: about one a token. Zero for a plain answer. */
	readonly tokenEvents: number;
	/** The prompt's tokens as estimated from its bytes. */
	readonly promptEstimate: Tokens;
	/** The most output tokens that the request could have. */
	readonly outputMax: Tokens;
	/** Whether the pool had begun to answer. */
	readonly answered: boolean;
	readonly seconds: Seconds;
	/** The attributed share of GPU time; null where the scheduler did not tell it. */
	readonly share: Pick<Bill, "seconds" | "startSeconds"> | null;
	readonly reserved: NanoUsd;
}

export interface Charge {
	readonly promptTokens: Tokens;
	readonly cachedTokens: Tokens | null;
	readonly completionTokens: Tokens;
	readonly source: UsageSource;
	readonly actual: NanoUsd;
	/** What the tenant pays. */
	readonly cost: NanoUsd;
	/** Of that, for the start of a pool that it waited for. */
	readonly start: NanoUsd;
}

/** What a request cost, from the best source there is: the pool's own count; for an answer that was cut off, what was
 *  counted as it passed; for a whole answer that told nothing, the most it can have been. A request that no pool began to
 *  answer costs nothing, whatever the pool may bill: that is the operator's. */
export function chargeOf(observed: Observed): Charge {
	const { pricing, usage, reserved, share } = observed;
	const counts = countsOf(observed);
	let actual: NanoUsd = 0;
	let start: NanoUsd = 0;
	if (pricing.per === "token") {
		actual = tokenBill(pricing, {
			prompt: counts.promptTokens,
			cached: usage?.cachedTokens ?? 0,
			output: counts.completionTokens,
		});
	} else if (observed.answered) {
		actual = secondsAtPrice(share?.seconds ?? observed.seconds, pricing.nanoPerSecond);
		start = secondsAtPrice(share?.startSeconds ?? 0, pricing.nanoPerSecond);
	}
	const cost = Math.min(actual, reserved);
	return { ...counts, actual, cost, start: Math.min(start, cost) };
}

function countsOf(observed: Observed): Pick<Charge, "promptTokens" | "cachedTokens" | "completionTokens" | "source"> {
	const { usage, answered, outcome, tokenEvents, promptEstimate, outputMax } = observed;
	const prompt = usage?.promptTokens ?? null;
	const output = usage?.completionTokens ?? null;
	const cachedTokens = usage?.cachedTokens ?? null;
	if (prompt !== null && (output !== null || outputMax === 0)) {
		return { promptTokens: prompt, cachedTokens, completionTokens: output ?? 0, source: "reported" };
	}
	if (!answered) return { promptTokens: 0, cachedTokens: null, completionTokens: 0, source: "counted" };
	const promptTokens = prompt ?? promptEstimate;
	if (tokenEvents > 0 || outcome !== "ok") {
		return { promptTokens, cachedTokens, completionTokens: output ?? tokenEvents, source: "counted" };
	}
	return { promptTokens, cachedTokens, completionTokens: output ?? outputMax, source: "worst_case" };
}
