import * as z from "zod";
import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { errorResponse, isobarError } from "../../src/shared/http/errors.ts";
import { lazy } from "../../src/shared/lazy.ts";
import { usdFromNano } from "../../src/shared/money/nano.ts";
import { thisIsolate } from "./isolate.ts";
import { carriers, flushed, ledgerOf, withinDeadline } from "./objects.ts";

const querySchema = lazy(() => {
	const day = z.iso.date("a UTC day such as 2026-11-23");
	return z
		.strictObject({
			from: day,
			to: day,
			key: z.string().max(128),
			model: z.string().max(128),
			pool: z.string().max(64),
		})
		.partial()
		.refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
			path: ["from"],
			message: "the first day, not after `to`",
		});
});

/** `GET /v1/usage`: the tenant's usage by day, key, model and pool, and what is left of this key's budgets. */
export async function readUsage(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const key = await isolateAuthenticator(env).authenticate(request.headers, (promise) => ctx.waitUntil(promise));
	if (!key.ok) return errorResponse(key.error);
	const query = querySchema().safeParse(Object.fromEntries(new URL(request.url).searchParams));
	if (!query.success) {
		const issue = query.error.issues[0]!;
		const param = issue.path.join(".") || "query";
		return errorResponse(isobarError("invalid_request", `${param}: ${issue.message}`, { param }));
	}
	const { id, tenant } = key.value;
	const { id: holder, settings, post } = thisIsolate(env);
	const ledger = ledgerOf(env, tenant);
	try {
		await flushed(post.flush(carriers(env, holder, settings)), ctx);
		const { rows, budget } = await withinDeadline(settings.ledgerDeadlineSeconds, ledger.statement(query.data, id));
		const data = rows.map(({ cost_nano_usd, start_nano_usd, hedge_nano_usd, unconfirmed_nano_usd, ...row }) => ({
			...row,
			cost_usd: usdFromNano(cost_nano_usd),
			start_usd: usdFromNano(start_nano_usd),
			hedge_usd: usdFromNano(hedge_nano_usd),
			unconfirmed_usd: usdFromNano(unconfirmed_nano_usd),
		}));
		return Response.json({ object: "list", data, budget });
	} catch {
		return errorResponse(
			isobarError("ledger_unavailable", "The ledger that keeps this tenant's usage cannot be reached.", {
				retryAfter: 2,
			}),
		);
	}
}
