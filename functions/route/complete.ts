import { errorResponse } from "../../src/shared/http/errors.ts";
import type { Endpoint } from "../../src/shared/scheduler/messages.ts";
import { prepare } from "./admit.ts";
import { nextHops } from "./hop.ts";
import type { Prepared } from "./prepared.ts";
import { requestId } from "./request-id.ts";
import { send } from "./send.ts";

/** The hot path: a prompt in, an answer out. Admits, chooses, calls, and tries the next replica until an answer has begun;
 *  what is left to do then (settling) happens behind the answer. */
export function complete(endpoint: Endpoint, http: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const answer = answerTo(endpoint, http, env, ctx);
	// A client that hangs up ends the request unless something is waited for, and then nobody would give back what it holds, or
	// hand on what it has taken from the isolate's mailboxes.
	ctx.waitUntil(answer.then(noop, noop));
	return answer;
}

function noop(): void {}

async function answerTo(endpoint: Endpoint, http: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const id = requestId(Date.now());
	const hops = nextHops(http.headers, env);
	if (!hops.ok) return errorResponse(hops.error, id);
	const prepared = await prepare(id, endpoint, http, env, ctx);
	if (!prepared.ok) return errorResponse(prepared.error, id);
	const call = { http, hops: hops.value, env, ctx };
	if (!isSpecial(prepared.value)) return send(prepared.value, call);
	// Loaded with the first request that needs it.
	const { answerSpecially } = await import("./special.ts");
	return answerSpecially(prepared.value, call);
}

/** Whether the answer may come from elsewhere than from one model. */
function isSpecial({ key, planned: { request, route } }: Prepared): boolean {
	return key.policy.cache !== undefined || request.route !== null || route !== null;
}
