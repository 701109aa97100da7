import { cachePolicy, temperatureOf, type CachePolicy } from "../../src/shared/router/exact-cache.ts";
import { member } from "../../src/shared/http/json-members.ts";
import { numberAt } from "../../src/shared/http/json-values.ts";
import { logBug } from "../../src/adapters/log-bug.ts";
import { throughCache } from "./cache/through-cache.ts";
import { cannedAnswer } from "./canned/canned-answer.ts";
import { runCourse } from "./cascade/run-course.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { ModelRoute } from "./planned.ts";
import type { Call, Prepared } from "./prepared.ts";
import { send } from "./send.ts";
import { steadyMs } from "./steady-clock.ts";

/** Answers a request whose answer may come from elsewhere than from one model: from what was answered before, from a rule, or from
 *  several models. */
export function answerSpecially(prepared: Prepared, call: Call): Promise<Response> {
	const policy = policyOf(prepared);
	const make = (): Promise<Response> => uncached(prepared, call);
	return policy ? throughCache(prepared, call, policy, make) : make();
}

/** Null: the cache is not asked. */
function policyOf({ key, planned: { request, route } }: Prepared): CachePolicy | null {
	const settings = route?.plan.router.cache ?? key.policy.cache;
	const operator = settings ? { when: settings.when, ttlSeconds: settings.ttl_seconds } : null;
	const span = member(request.members, "temperature")?.value;
	const temperature = temperatureOf({ temperature: span && numberAt(request.json, span) });
	return cachePolicy(operator, request.route?.controls.cache, temperature);
}

async function uncached(prepared: Prepared, call: Call): Promise<Response> {
	const { route } = prepared.planned;
	if (!route) return send(prepared, call);
	const canned = cannedAnswer(prepared, route, call);
	if (canned.answer) return canned.answer;
	const planned = canned.explained ? { ...prepared.planned, route: canned.explained } : prepared.planned;
	const explained = { ...prepared, planned };
	if (route.plan.mode === "route") return send(explained, call);
	return withHeartbeats(explained, call, runCourse(explained, planned.route!, call));
}

/** Several models may take long before anything of an answer can be given. */
function withHeartbeats(prepared: Prepared, { http, ctx }: Call, answer: Promise<Response>): Promise<Response> {
	const { isolate, key, planned } = prepared;
	const { request, route } = planned;
	if (!request.stream || !(request.overrides.heartbeats ?? key.policy.heartbeats)) return answer;
	const { settings } = isolate;
	const headers = (): Headers => earlyHeaders(prepared, route);
	const heartbeats = new Heartbeats(settings, steadyMs(), headers);
	const every = Math.min(settings.heartbeatAfterSeconds, settings.heartbeatSeconds) / 4;
	const timer = setInterval(() => heartbeats.check(steadyMs()), Math.max(0.05, every) * 1_000);
	const settled = answer.finally(() => clearInterval(timer));
	const onBegin = (): void =>
		ctx.waitUntil(settled.then(noop, (error: unknown) => logBug(error, new URL(http.url).pathname)));
	return heartbeats.around(settled, onBegin);
}

function earlyHeaders({ id }: Prepared, route: ModelRoute | null): Headers {
	return new Headers({
		"content-type": "text/event-stream",
		"cache-control": "no-cache",
		"x-isobar-request-id": id,
		"x-isobar-record": `/v1/requests/${id}`,
		...(route && { "x-isobar-router": route.plan.router.id, "x-isobar-route-mode": route.plan.mode }),
	});
}

function noop(): void {}
