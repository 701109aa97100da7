import type { Admitted } from "./admit.ts";
import type { Choice } from "./choose.ts";

/** Headers of a pool's answer that are about its own connection, or would be wrong of ours. */
const DROPPED = [
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
];

/** The pool's own headers, and what we know when the answer begins. What is known only later is in `GET /v1/requests/{id}`. */
export function answerHeaders(admitted: Admitted, choice: Choice, attempts: number, pool: Headers): Headers {
	const headers = new Headers(pool);
	for (const name of DROPPED) headers.delete(name);
	const { replica } = choice;
	headers.set("x-isobar-request-id", admitted.id);
	headers.set("x-isobar-model", admitted.model.id);
	headers.set("x-isobar-pool", replica.pool);
	headers.set("x-isobar-replica", replica.replica);
	headers.set("x-isobar-expected-cost-usd", replica.expectedUsd.toFixed(9));
	headers.set("x-isobar-expected-ttft-seconds", replica.expectedTtft.toFixed(4));
	headers.set("x-isobar-attempts", String(attempts));
	headers.set("x-isobar-decided-by", choice.decidedBy);
	return headers;
}
