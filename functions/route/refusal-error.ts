import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { LedgerRefusal } from "../../src/shared/ledger/messages.ts";
import { usdFromNano } from "../../src/shared/money/nano.ts";
import { now } from "./isolate.ts";

/** A ledger's refusal as the client reads it: which budget or limit, what was left, and when there is more. */
export function refusalError(refusal: LedgerRefusal): IsobarError {
	switch (refusal.code) {
		case "budget_exhausted": {
			const { period, limitNano, leftNano, neededNano, renewsAt } = refusal;
			const [limit, left, needed] = [limitNano, leftNano, neededNano].map(usdFromNano) as [number, number, number];
			const renews =
				renewsAt === null ? "It does not renew." : `It renews at ${new Date(renewsAt * 1_000).toISOString()}.`;
			const message = `The key's ${period} budget of $${limit} has $${left} left and the request may cost up to $${needed}. ${renews}`;
			return isobarError("budget_exhausted", message, {
				...(renewsAt !== null && { retryAfter: renewsAt - now() }),
				details: { period, limit_usd: limit, left_usd: left, needed_usd: needed, renews_at: renewsAt },
			});
		}
		case "rate_limited": {
			const { limit, allowed, needed, retryAfter } = refusal;
			const name = `${allowed} ${limit.replaceAll("_", " ")}`;
			if (needed > allowed) {
				const message = `The request may need ${needed}, and the key's limit of ${name} never allows as many: send less, or lower max_tokens.`;
				return isobarError("rate_limited", message, { retry: false, details: { limit, allowed, needed } });
			}
			const message = `The key's limit of ${name} does not allow this request (${needed}) now.`;
			return isobarError("rate_limited", message, { retryAfter, details: { limit, allowed, needed } });
		}
		case "concurrency_limited": {
			const { allowed, retryAfter } = refusal;
			return isobarError("concurrency_limited", `The key allows ${allowed} requests at once.`, {
				retryAfter,
				details: { allowed },
			});
		}
	}
}
