import type { Admitted } from "./admit.ts";
import type { Choice } from "./choice.ts";
import { headersWithout, type PlainHeaders } from "./plain-headers.ts";

/** Headers of a pool's answer that are about its own connection, or would be wrong of ours. */
const DROPPED: ReadonlySet<string> = new Set([
	"connection",
	"keep-alive",
	"proxy-authenticate",
	"proxy-connection",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"content-length",
	"content-encoding",
	"set-cookie",
	"server",
	"date",
	"alt-svc",
	"strict-transport-security",
	"cf-ray",
	"cf-cache-status",
	// The operator's account with the pool, which is no tenant's affair.
	"openai-organization",
	"openai-project",
]);
const DROPPED_PREFIX = /^(x-ratelimit-|anthropic-)/;

/** The pool's own headers, and what we know when the answer begins. What is known only later is in `GET /v1/requests/{id}`. */
export function answerHeaders(admitted: Admitted, choice: Choice, attempts: number, pool: Headers): PlainHeaders {
	const headers = headersWithout(pool, (name) => DROPPED.has(name) || DROPPED_PREFIX.test(name));
	const { replica } = choice;
	headers["x-isobar-request-id"] = admitted.id;
	headers["x-isobar-model"] = admitted.model.id;
	const { route } = admitted;
	if (route) {
		headers["x-isobar-router"] = route.plan.router.id;
		const { quality, shadow } = route.plan.ranked[route.at]!.candidate;
		if (!shadow) headers["x-isobar-expected-quality"] = quality.toFixed(4);
	}
	headers["x-isobar-pool"] = replica.pool;
	headers["x-isobar-replica"] = replica.replica;
	headers["x-isobar-expected-cost-usd"] = replica.expectedUsd.toFixed(9);
	headers["x-isobar-expected-ttft-seconds"] = replica.expectedTtft.toFixed(4);
	headers["x-isobar-attempts"] = String(attempts);
	headers["x-isobar-decided-by"] = choice.decidedBy;
	return headers;
}

/** Those of an answer that begins before it is known who gives it: of one that is routed, not even which model. */
export function earlyHeaders({ id, model, route }: Admitted): Headers {
	return new Headers({
		"content-type": "text/event-stream",
		"cache-control": "no-cache",
		"x-isobar-request-id": id,
		...(route ? { "x-isobar-router": route.plan.router.id } : { "x-isobar-model": model.id }),
		"x-isobar-record": `/v1/requests/${id}`,
	});
}
