import { logBug } from "../../src/adapters/log-bug.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { Call, Prepared } from "./prepared.ts";
import { steadyMs } from "./steady-clock.ts";

/** `answer`, or where a stream's is late, one that begins with comments: several models, or another request's answer, may take long
 *  before anything can be given. What comes of it may have heartbeats of its own, which are heard once these have ended. */
export function withHeartbeats(prepared: Prepared, { http, ctx }: Call, answer: Promise<Response>): Promise<Response> {
	const { isolate, key, planned } = prepared;
	const { request } = planned;
	if (!request.stream || !(request.overrides.heartbeats ?? key.policy.heartbeats)) return answer;
	const { settings } = isolate;
	const heartbeats = new Heartbeats(settings, steadyMs(), () => earlyHeaders(prepared));
	const every = Math.min(settings.heartbeatAfterSeconds, settings.heartbeatSeconds) / 4;
	const timer = setInterval(() => heartbeats.check(steadyMs()), Math.max(0.05, every) * 1_000);
	const settled = answer.finally(() => clearInterval(timer));
	const onBegin = (): void =>
		ctx.waitUntil(settled.then(noop, (error: unknown) => logBug(error, new URL(http.url).pathname)));
	return heartbeats.around(settled, onBegin);
}

function earlyHeaders({ id, planned: { route, model } }: Prepared): Headers {
	return new Headers({
		"content-type": "text/event-stream",
		"cache-control": "no-cache",
		"x-isobar-request-id": id,
		"x-isobar-record": `/v1/requests/${id}`,
		...(route ? { "x-isobar-router": route.plan.router.id } : { "x-isobar-model": model.id }),
		...(route && route.plan.mode !== "route" && { "x-isobar-route-mode": route.plan.mode }),
	});
}

function noop(): void {}
