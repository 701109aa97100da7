import { cachePolicy, temperatureOf, type CachePolicy } from "../../src/shared/router/exact-cache.ts";
import { member } from "../../src/shared/http/json-members.ts";
import { numberAt } from "../../src/shared/http/json-values.ts";
import { throughCache } from "./cache/through-cache.ts";
import { cannedAnswer } from "./canned/canned-answer.ts";
import { runCourse } from "./cascade/run-course.ts";
import type { Call, Prepared } from "./prepared.ts";
import { send } from "./send.ts";
import { withHeartbeats } from "./with-heartbeats.ts";

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
	const canned = await cannedAnswer(prepared, route, call);
	if (canned.answer) return canned.answer;
	const planned = canned.explained ? { ...prepared.planned, route: canned.explained } : prepared.planned;
	const explained = { ...prepared, planned };
	if (route.plan.mode === "route") return send(explained, call);
	return withHeartbeats(explained, call, runCourse(explained, planned.route!, call));
}
