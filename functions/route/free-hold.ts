import type { IsobarError } from "../../src/shared/http/errors.ts";
import { ok, type Result } from "../../src/shared/result.ts";
import { reserve } from "./admit.ts";
import type { Call, Prepared } from "./prepared.ts";
import { NOTHING, type Hold } from "./purse.ts";

/** What a request holds that costs nothing: its place among those of the minute, where the key counts them. A key that does not needs
 *  no ledger to be answered so. Fails open on purpose: while the ledger is away no money is at stake here, and the answer is
 *  there. */
export async function holdFree(
	{ isolate, key }: Prepared,
	{ env, ctx }: Pick<Call, "env" | "ctx">,
): Promise<Result<Hold, IsobarError>> {
	if (key.limits.requests_per_minute === undefined) return ok({ lease: null, amount: NOTHING });
	const hold = await reserve(isolate, key, { ...NOTHING, requests: 1 }, env, (promise) => ctx.waitUntil(promise));
	return hold.ok || hold.error.code !== "ledger_unavailable" ? hold : ok({ lease: null, amount: NOTHING });
}
