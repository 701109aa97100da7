import {
	LEAD_RENEW_SECONDS,
	type CachePort,
	type CacheReply,
	type StoredAnswer,
} from "../../../src/shared/router/cache-messages.ts";
import { CACHE_ANSWER_BYTES_MAX } from "../../../src/shared/router/bounds.ts";
import type { CachePolicy } from "../../../src/shared/router/exact-cache.ts";
import { routeText } from "../../../src/shared/router/route-text.ts";
import type { Seconds } from "../../../src/shared/units.ts";
import { errorResponse } from "../../../src/shared/http/errors.ts";
import { collected } from "../collected.ts";
import { holdFree } from "../free-hold.ts";
import { settleFree } from "../free-record.ts";
import { withinDeadline } from "../objects.ts";
import type { Call, Prepared } from "../prepared.ts";
import { withHeartbeats } from "../with-heartbeats.ts";
import { requestKey } from "./request-key.ts";

/** How long the cache may take to say what it has: less than an answer takes. Later it is as if it had nothing, on purpose. */
const CACHE_DEADLINE_SECONDS: Seconds = 0.5;

/** An answer that was given before to exactly this request, or is being given to an identical one; else what `make` answers, which is
 *  kept if it is whole. A request that has no key is answered as if there was no cache. Whatever ails the cache, the request is
 *  answered. */
export async function throughCache(
	prepared: Prepared,
	call: Call,
	policy: CachePolicy,
	make: () => Promise<Response>,
): Promise<Response> {
	const key = await requestKey(prepared);
	if (key === null) return make();
	const port: CachePort = call.env.CACHE.getByName(prepared.key.tenant);
	const asker: Asker = { prepared, call, port, key, ttlSeconds: policy.ttlSeconds, make };
	const reply = await withinDeadline(CACHE_DEADLINE_SECONDS, port.ask(key, prepared.id)).catch(noop);
	if (!reply) return alone(asker);
	return reply.kind === "wait" ? withHeartbeats(prepared, call, answerOfOther(asker)) : answered(asker, reply);
}

/** A request that has asked the cache, and what answers it otherwise. */
interface Asker {
	readonly prepared: Prepared;
	readonly call: Call;
	readonly port: CachePort;
	readonly key: string;
	readonly ttlSeconds: Seconds;
	readonly make: () => Promise<Response>;
}

const CLIENT_CLOSED_REQUEST = 499;

/** The answer that an identical request is getting; its own when that takes too long, or comes to nothing. */
async function answerOfOther(asker: Asker): Promise<Response> {
	const { prepared, call, port, key } = asker;
	let reply: CacheReply | null | "gone";
	try {
		reply = await waitFor(port, key, prepared.id, call, waitingSeconds(prepared));
	} catch {
		return alone(asker);
	}
	if (reply !== "gone") return answered(asker, reply);
	const model = prepared.planned.model.id;
	settleFree(prepared, call, { model, status: CLIENT_CLOSED_REQUEST, outcome: "client_gone" });
	return new Response(null, { status: CLIENT_CLOSED_REQUEST });
}

/** How long it may wait: so that an answer of its own is still to be expected within its `max_seconds`. */
function waitingSeconds({ isolate, startedAt, planned: { route } }: Prepared): Seconds {
	const { totalTimeoutSeconds } = isolate.settings;
	const { max_seconds: most } = route?.plan.controls ?? {};
	if (!route || most === undefined) return totalTimeoutSeconds;
	const own = route.plan.ranked[0]?.option.seconds ?? 0;
	return Math.min(totalTimeoutSeconds, Math.max(0, most - own - (Date.now() / 1_000 - startedAt)));
}

async function answered(asker: Asker, reply: CacheReply | null): Promise<Response> {
	const { prepared, call } = asker;
	return reply?.kind === "hit" ? given(prepared, call, reply) : marked(await lead(asker));
}

/** Without the cache. Whether the request would have led is not known; nobody is kept waiting for long if it would. */
async function alone({ prepared, call, port, key, make }: Asker): Promise<Response> {
	call.ctx.waitUntil(port.forgo(key, prepared.id).catch(noop));
	return marked(await make());
}

/** Until the answer is there, the lead is this request's, or its client leaves. */
async function waitFor(
	port: CachePort,
	key: string,
	id: string,
	{ http, ctx }: Call,
	seconds: Seconds,
): Promise<CacheReply | null | "gone"> {
	const { promise: gone, resolve } = Promise.withResolvers<"gone">();
	const leave = (): void => resolve("gone");
	if (http.signal.aborted) leave();
	else http.signal.addEventListener("abort", leave, { once: true });
	const turn = port.wait(key, id);
	const first = await Promise.race([withinDeadline(seconds, turn), gone]);
	http.signal.removeEventListener("abort", leave);
	if (first !== "gone") return first;
	turn.catch(noop);
	ctx.waitUntil(port.forgo(key, id).catch(noop));
	return first;
}

async function given(prepared: Prepared, call: Call, reply: Extract<CacheReply, { kind: "hit" }>): Promise<Response> {
	const { answer, age, joined } = reply;
	const cache = joined ? ("joined" as const) : ("hit" as const);
	const { id, planned } = prepared;
	const hold = await holdFree(prepared, call);
	if (!hold.ok) return errorResponse(hold.error, id);
	const route = planned.route && { route: routeText(planned.route.plan.explanation) };
	settleFree(prepared, call, { model: answer.model, status: 200, outcome: "ok", cache, ...route }, hold.value);
	return new Response(answer.body, {
		headers: {
			"content-type": answer.contentType,
			"x-isobar-request-id": id,
			"x-isobar-model": answer.model,
			"x-isobar-cache": cache,
			"x-isobar-cache-age-seconds": String(Math.floor(age)),
			...(planned.route && { "x-isobar-router": planned.route.plan.router.id }),
		},
	});
}

/** Gets the answer, for this request and for all that wait for it. Its signs of life end with it. */
async function lead({ prepared, port, key, ttlSeconds, call, make }: Asker): Promise<Response> {
	const { id, planned } = prepared;
	const renewing = setInterval(() => void port.renew(key, id).catch(noop), LEAD_RENEW_SECONDS * 1_000);
	const end = (answer: StoredAnswer | null, seconds = 0): void => {
		clearInterval(renewing);
		const told = answer ? port.give(key, answer, seconds) : port.forgo(key, id);
		call.ctx.waitUntil(told.catch(noop));
	};
	try {
		const response = await make();
		const contentType = response.headers.get("content-type") ?? "";
		const model = response.headers.get("x-isobar-model");
		// What a bound has ended early may come out better the next time; of what began before it was known who answers, that cannot be
		// told. It is for those who wait, and not kept.
		const seconds = model === null || response.headers.has("x-isobar-route-stop") ? 0 : ttlSeconds;
		if (response.status !== 200 || !response.body) {
			end(null);
			return response;
		}
		const body = collected(response.body, CACHE_ANSWER_BYTES_MAX, (whole) => {
			const isKept = whole !== null && isComplete(whole, contentType);
			end(isKept ? { contentType, model: model ?? planned.request.model, body: whole } : null, seconds);
		});
		return new Response(body, { status: response.status, headers: response.headers });
	} catch (error) {
		end(null);
		throw error;
	}
}

const DONE = "data: [DONE]";

/** A stream that was cut never ends in `[DONE]`. */
function isComplete(whole: Uint8Array, contentType: string): boolean {
	if (!contentType.startsWith("text/event-stream")) return whole.byteLength > 0;
	return new TextDecoder().decode(whole.subarray(-64)).trimEnd().endsWith(DONE);
}

function marked(response: Response): Response {
	const headers = new Headers(response.headers);
	headers.set("x-isobar-cache", "miss");
	return new Response(response.body, { status: response.status, headers });
}

function noop(): void {}
