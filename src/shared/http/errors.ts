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
	not_found: { status: 404, type: "not_found_error", retry: false },
	loop_detected: { status: 508, type: "invalid_request_error", retry: false },
	// who the client is
	key_missing: { status: 401, type: "authentication_error", retry: false },
	key_invalid: { status: 401, type: "authentication_error", retry: false },
	key_revoked: { status: 401, type: "authentication_error", retry: false },
	key_expired: { status: 401, type: "authentication_error", retry: false },
	admin_token_invalid: { status: 401, type: "authentication_error", retry: false },
	model_not_allowed: { status: 403, type: "permission_error", retry: false },
	// what the client may spend
	budget_exhausted: { status: 429, type: "budget_error", retry: false },
	rate_limited: { status: 429, type: "rate_limit_error", retry: true },
	concurrency_limited: { status: 429, type: "rate_limit_error", retry: true },
	// what the fleet can do
	overloaded: { status: 429, type: "rate_limit_error", retry: true },
	no_healthy_replica: { status: 503, type: "upstream_error", retry: true },
	upstream_failed: { status: 502, type: "upstream_error", retry: false },
	upstream_timeout: { status: 504, type: "upstream_error", retry: false },
	upstream_rate_limited: { status: 429, type: "upstream_error", retry: false },
	upstream_cut: { status: 502, type: "upstream_error", retry: false },
	upstream_garbage: { status: 502, type: "upstream_error", retry: false },
	// the catalog
	catalog_invalid: { status: 422, type: "invalid_request_error", retry: false },
	catalog_conflict: { status: 409, type: "invalid_request_error", retry: false },
	catalog_empty: { status: 503, type: "server_error", retry: false },
	secret_missing: { status: 422, type: "invalid_request_error", retry: false },
	// our own parts
	catalog_unavailable: { status: 503, type: "server_error", retry: true },
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
		"x-should-retry": String(ERRORS[error.code].retry),
	});
	if (requestId) headers.set("x-isobar-request-id", requestId);
	if (error.retryAfter !== undefined) headers.set("retry-after", String(Math.max(1, Math.ceil(error.retryAfter))));
	return new Response(errorBody(error, requestId) + "\n", { status: ERRORS[error.code].status, headers });
}
