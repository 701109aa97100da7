import { errorResponse, type IsobarError } from "../../../src/shared/http/errors.ts";
import type { RouteExplanation } from "../../../src/shared/router/explanation.ts";
import type { Endpoint } from "../../../src/shared/scheduler/messages.ts";
import { prepare } from "../admit.ts";
import { nextHops } from "../hop.ts";
import type { Beside } from "../prepared.ts";
import type { Edge } from "../schedulers.ts";
import { send } from "../send.ts";

/** A request that is made beside a client's: with a record and money of its own. */
export interface BesideRequest extends Beside {
	readonly id: string;
	readonly endpoint: Endpoint;
	readonly http: Request;
	/** Where the client is. */
	readonly edge: Edge;
	/** What its record says of its route, from what it would say itself. */
	readonly explain: (own: RouteExplanation) => RouteExplanation;
}

/** Makes it on the way of every other request. */
export async function completeBeside(
	{ id, endpoint, http, edge, explain, booked }: BesideRequest,
	env: Env,
	ctx: ExecutionContext,
): Promise<Response> {
	const refused = (error: IsobarError): Response => {
		booked(null);
		return errorResponse(error, id);
	};
	const hops = nextHops(http.headers, env);
	if (!hops.ok) return refused(hops.error);
	const prepared = await prepare(id, endpoint, http, env, ctx);
	if (!prepared.ok) return refused(prepared.error);
	const { planned } = prepared.value;
	const route = planned.route && {
		...planned.route,
		plan: { ...planned.route.plan, shadow: null, explanation: explain(planned.route.plan.explanation) },
	};
	// It is no request of the client's: it takes the key's money, and nothing of what the key may send a minute or at once.
	const need = { ...planned.need, requests: 0, tokens: 0, slots: 0 };
	const beside = { ...prepared.value, edge, planned: { ...planned, route, need }, beside: { booked } };
	return send(beside, { http, hops: hops.value, env, ctx });
}
