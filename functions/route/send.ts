import { errorResponse } from "../../src/shared/http/errors.ts";
import { hold } from "./admit.ts";
import { Dispatch } from "./dispatch.ts";
import type { Call, Prepared } from "./prepared.ts";

/** Sends a request to its model: reserves its money, then goes through its attempts. */
export async function send(prepared: Prepared, { http, hops, env, ctx }: Call): Promise<Response> {
	const admitted = await hold(prepared, http.headers, env, (promise) => ctx.waitUntil(promise));
	if (!admitted.ok) {
		prepared.stage?.booked(null);
		prepared.beside?.booked(null);
		return errorResponse(admitted.error, prepared.id);
	}
	const dispatch = new Dispatch(admitted.value, http, hops, env, ctx);
	if (!admitted.value.route?.plan.shadow || prepared.stage || prepared.beside) return dispatch.answer();
	const { shadowed } = await import("./shadow/shadowed.ts");
	return shadowed(admitted.value, dispatch, { http, env, ctx });
}
