import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import type { Settings } from "../../src/shared/settings.ts";
import { explain } from "../../src/shared/objective/explain.ts";
import { explanationIn, routeIn } from "../../src/shared/ledger/records.ts";
import { thisIsolate } from "./isolate.ts";
import { carriers, flushed, ledgerOf, withinDeadline } from "./objects.ts";

/** Another isolate may have answered the request and not told the ledger yet: how long its word is waited for. */
const LOOKS = 4;
const PAUSE_MS = 100;

/** A request's record, as soon as its tenant's ledger has it; null when it has not come for a while. Rejects when the ledger cannot be
 *  reached. */
export async function findRecord(
	tenant: string,
	id: string,
	env: Env,
	ctx: ExecutionContext,
): Promise<RequestRecord | null> {
	const { id: holder, settings, post } = thisIsolate(env);
	const ways = carriers(env, holder, settings);
	for (let look = 0; look < LOOKS; look++) {
		if (look > 0) await ways.sleep(PAUSE_MS / 1_000);
		if (post.isPending(tenant, id)) await flushed(post.flush(ways), ctx);
		const record = await withinDeadline(settings.ledgerDeadlineSeconds, ledgerOf(env, tenant).request(id));
		if (record) return record;
	}
	return null;
}

/** `GET /v1/requests/{id}`: how a request ended, and the decision spelled out. Only its own tenant finds it. */
export async function readRecord(id: string, request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const key = await isolateAuthenticator(env).authenticate(request.headers, (promise) => ctx.waitUntil(promise));
	if (!key.ok) return errorResponse(key.error);
	const { tenant } = key.value;
	try {
		const record = await findRecord(tenant, id, env, ctx);
		if (record) {
			const decision = record.decision && explain(explanationIn(record.decision));
			return Response.json({ ...record, decision, route: routeIn(record) });
		}
	} catch {
		return errorResponse(unreachable());
	}
	return errorResponse(notOnRecord(id, thisIsolate(env).settings));
}

export function unreachable(): IsobarError {
	const message = "The ledger that keeps this tenant's records cannot be reached.";
	return isobarError("ledger_unavailable", message, { retryAfter: 2 });
}

export function notOnRecord(id: string, { recordHours }: Settings): IsobarError {
	const message = `No request ${JSON.stringify(id.slice(0, 64))} of this tenant is on record; a request appears when it has ended, and is kept ${recordHours} hours.`;
	return isobarError("not_found", message);
}
