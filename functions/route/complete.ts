import { errorResponse } from "../../src/shared/http/errors.ts";
import type { Endpoint } from "../../src/shared/scheduler/messages.ts";
import { admit } from "./admit.ts";
import { Dispatch } from "./dispatch.ts";
import { nextHops } from "./hop.ts";
import { requestId } from "./request-id.ts";

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
	const admitted = await admit(id, endpoint, http, env, ctx);
	if (!admitted.ok) return errorResponse(admitted.error, id);
	return new Dispatch(admitted.value, http, hops.value, env, ctx).answer();
}
