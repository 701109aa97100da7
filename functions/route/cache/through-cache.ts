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
import { settleFree } from "../free-record.ts";
import { withinDeadline } from "../objects.ts";
import type { Call, Prepared } from "../prepared.ts";
import { collected } from "./collected.ts";
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
	const { id, key: apiKey, isolate } = prepared;
	const key = await requestKey(prepared);
	if (key === null) return make();
	const port: CachePort = call.env.CACHE.getByName(apiKey.tenant);
	let reply: CacheReply | null | "gone";
	try {
		reply = await withinDeadline(CACHE_DEADLINE_SECONDS, port.ask(key, id));
		if (reply.kind === "wait") reply = await waitFor(port, key, id, call, isolate.settings.totalTimeoutSeconds);
	} catch {
		// Whether it would have led is not known; nobody is kept waiting for long if it would.
		call.ctx.waitUntil(port.forgo(key, id).catch(noop));
		return marked(await make());
	}
	if (reply === "gone") {
		settleFree(prepared, call, {
			model: prepared.planned.model.id,
			status: CLIENT_CLOSED_REQUEST,
			outcome: "client_gone",
		});
		return new Response(null, { status: CLIENT_CLOSED_REQUEST });
	}
	if (reply?.kind === "hit") return given(prepared, call, reply);
	const { model } = prepared.planned.request;
	return marked(await lead({ port, key, id, asked: model, ttlSeconds: policy.ttlSeconds, call }, make));
}

const CLIENT_CLOSED_REQUEST = 499;

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

function given(prepared: Prepared, call: Call, reply: Extract<CacheReply, { kind: "hit" }>): Response {
	const { answer, age, joined } = reply;
	const cache = joined ? "joined" : "hit";
	const { id, planned } = prepared;
	settleFree(prepared, call, {
		model: answer.model,
		status: 200,
		outcome: "ok",
		cache,
		...(planned.route && { route: routeText(planned.route.plan.explanation) }),
	});
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

interface Lead {
	readonly port: CachePort;
	readonly key: string;
	readonly id: string;
	/** As the client named it. */
	readonly asked: string;
	readonly ttlSeconds: Seconds;
	readonly call: Call;
}

/** Gets the answer, for this request and for all that wait for it. Its signs of life end with it. */
async function lead(
	{ port, key, id, asked, ttlSeconds, call }: Lead,
	make: () => Promise<Response>,
): Promise<Response> {
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
		const body = collected(response.body, CACHE_ANSWER_BYTES_MAX, contentType, (whole) =>
			end(whole && { contentType, model: model ?? asked, body: whole }, seconds),
		);
		return new Response(body, { status: response.status, headers: response.headers });
	} catch (error) {
		end(null);
		throw error;
	}
}

function marked(response: Response): Response {
	const headers = new Headers(response.headers);
	headers.set("x-isobar-cache", "miss");
	return new Response(response.body, { status: response.status, headers });
}

function noop(): void {}
