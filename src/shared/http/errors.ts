import type { Seconds } from "../units.ts";

/** OpenAI's `error.type`; SDKs show it, nothing branches on it. */
type ErrorType =
	| "invalid_request_error"
	| "authentication_error"
	| "permission_error"
	| "not_found_error"
	| "rate_limit_error"
	| "budget_error"
	| "upstream_error"
	| "server_error";

/** Every error that leaves Isobar: its stable code, HTTP status, OpenAI type, and whether an SDK may try again by itself.
 *  A code that is not here does not compile. */
export const ERRORS = {
	// what the client sent
	invalid_json: { status: 400, type: "invalid_request_error", retry: false },
	invalid_request: { status: 400, type: "invalid_request_error", retry: false },
	model_missing: { status: 400, type: "invalid_request_error", retry: false },
	context_too_long: { status: 400, type: "invalid_request_error", retry: false },
	capability_missing: { status: 400, type: "invalid_request_error", retry: false },
	constraint_unmet: { status: 400, type: "invalid_request_error", retry: false },
	body_too_large: { status: 413, type: "invalid_request_error", retry: false },
	media_type_unsupported: { status: 415, type: "invalid_request_error", retry: false },
	method_not_allowed: { status: 405, type: "invalid_request_error", retry: false },
	model_not_found: { status: 404, type: "not_found_error", retry: false },
	router_not_found: { status: 404, type: "not_found_error", retry: false },
	replica_not_found: { status: 404, type: "not_found_error", retry: false },
	not_found: { status: 404, type: "not_found_error", retry: false },
	loop_detected: { status: 508, type: "invalid_request_error", retry: false },
	// who the client is
	key_missing: { status: 401, type: "authentication_error", retry: false },
	key_invalid: { status: 401, type: "authentication_error", retry: false },
	key_revoked: { status: 401, type: "authentication_error", retry: false },
	key_expired: { status: 401, type: "authentication_error", retry: false },
	admin_token_invalid: { status: 401, type: "authentication_error", retry: false },
	pool_key_invalid: { status: 401, type: "authentication_error", retry: false },
	lookup_not_allowed: { status: 403, type: "permission_error", retry: false },
	runs_not_allowed: { status: 403, type: "permission_error", retry: false },
	model_not_allowed: { status: 403, type: "permission_error", retry: false },
	// what the client may spend
	budget_exhausted: { status: 429, type: "budget_error", retry: false },
	rate_limited: { status: 429, type: "rate_limit_error", retry: true },
	concurrency_limited: { status: 429, type: "rate_limit_error", retry: true },
	// what the fleet can do
	overloaded: { status: 429, type: "rate_limit_error", retry: true },
	no_healthy_replica: { status: 503, type: "upstream_error", retry: true },
	tokenizer_unavailable: { status: 503, type: "upstream_error", retry: true },
	upstream_failed: { status: 502, type: "upstream_error", retry: false },
	upstream_timeout: { status: 504, type: "upstream_error", retry: false },
	upstream_rate_limited: { status: 429, type: "upstream_error", retry: false },
	upstream_cut: { status: 502, type: "upstream_error", retry: false },
	upstream_garbage: { status: 502, type: "upstream_error", retry: false },
	// federated runs
	run_not_found: { status: 404, type: "not_found_error", retry: false },
	run_state: { status: 409, type: "invalid_request_error", retry: false },
	specification_invalid: { status: 422, type: "invalid_request_error", retry: false },
	idempotency_key_reused: { status: 422, type: "invalid_request_error", retry: false },
	weights_invalid: { status: 422, type: "invalid_request_error", retry: false },
	weights_range: { status: 409, type: "invalid_request_error", retry: false },
	weights_incomplete: { status: 409, type: "invalid_request_error", retry: false },
	invitation_invalid: { status: 403, type: "permission_error", retry: false },
	invitation_expired: { status: 403, type: "permission_error", retry: false },
	invitation_used: { status: 403, type: "permission_error", retry: false },
	clients_full: { status: 409, type: "invalid_request_error", retry: false },
	client_unknown: { status: 401, type: "authentication_error", retry: false },
	client_expelled: { status: 403, type: "permission_error", retry: false },
	ticket_invalid: { status: 401, type: "authentication_error", retry: false },
	signature_missing: { status: 401, type: "authentication_error", retry: false },
	signature_invalid: { status: 401, type: "authentication_error", retry: false },
	signature_expired: { status: 401, type: "authentication_error", retry: false },
	nonce_missing: { status: 401, type: "authentication_error", retry: false },
	nonce_replayed: { status: 409, type: "authentication_error", retry: false },
	digest_missing: { status: 400, type: "invalid_request_error", retry: false },
	digest_mismatch: { status: 400, type: "invalid_request_error", retry: false },
	update_not_found: { status: 404, type: "not_found_error", retry: false },
	update_closed: { status: 409, type: "invalid_request_error", retry: false },
	part_invalid: { status: 422, type: "invalid_request_error", retry: false },
	part_not_finite: { status: 422, type: "invalid_request_error", retry: false },
	parts_missing: { status: 409, type: "invalid_request_error", retry: false },
	report_invalid: { status: 422, type: "invalid_request_error", retry: false },
	norm_too_large: { status: 422, type: "invalid_request_error", retry: false },
	version_not_found: { status: 404, type: "not_found_error", retry: false },
	version_gone: { status: 410, type: "not_found_error", retry: false },
	range_not_satisfiable: { status: 416, type: "invalid_request_error", retry: false },
	run_unavailable: { status: 503, type: "server_error", retry: true },
	// what a router is told
	request_not_routed: { status: 409, type: "invalid_request_error", retry: false },
	request_not_answered: { status: 409, type: "invalid_request_error", retry: false },
	request_expired: { status: 410, type: "not_found_error", retry: false },
	prompts_differ: { status: 422, type: "invalid_request_error", retry: false },
	labels_invalid: { status: 422, type: "invalid_request_error", retry: false },
	router_unavailable: { status: 503, type: "server_error", retry: true },
	// the catalog
	catalog_invalid: { status: 422, type: "invalid_request_error", retry: false },
	catalog_conflict: { status: 409, type: "invalid_request_error", retry: false },
	catalog_empty: { status: 503, type: "server_error", retry: false },
	secret_missing: { status: 422, type: "invalid_request_error", retry: false },
	// our own parts
	catalog_unavailable: { status: 503, type: "server_error", retry: true },
	scheduler_unavailable: { status: 503, type: "server_error", retry: true },
	ledger_unavailable: { status: 503, type: "server_error", retry: true },
	internal: { status: 500, type: "server_error", retry: false },
} as const satisfies Record<string, { status: number; type: ErrorType; retry: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

/** An expected failure, on its way to the client. `param` names the offending field by path (`messages[2].content`). */
export interface IsobarError {
	readonly code: ErrorCode;
	readonly message: string;
	readonly param?: string;
	readonly retryAfter?: Seconds;
	/** This one is not worth another try, although its code may be. */
	readonly retry?: false;
	/** Facts a program may want: the limit, what was left, the nearest names. */
	readonly details?: Readonly<Record<string, unknown>>;
}

export function isobarError(
	code: ErrorCode,
	message: string,
	extra: Omit<IsobarError, "code" | "message"> = {},
): IsobarError {
	return { code, message, ...extra };
}

/** The body of an error answer, in OpenAI's shape. Also the payload of an error event inside a stream. */
export function errorBody(error: IsobarError, requestId?: string): string {
	const { code, message, param, details } = error;
	return JSON.stringify({
		error: {
			message,
			type: ERRORS[code].type,
			param: param ?? null,
			code,
			...(details && { details }),
			...(requestId && { request_id: requestId }),
		},
	});
}

/** The whole error answer. Retry-After is in whole seconds, at least one. */
export function errorResponse(error: IsobarError, requestId?: string): Response {
	const headers = new Headers({
		"content-type": "application/json",
		"x-should-retry": String(error.retry ?? ERRORS[error.code].retry),
	});
	if (requestId) headers.set("x-isobar-request-id", requestId);
	if (error.retryAfter !== undefined) headers.set("retry-after", String(Math.max(1, Math.ceil(error.retryAfter))));
	return new Response(errorBody(error, requestId) + "\n", { status: ERRORS[error.code].status, headers });
}
