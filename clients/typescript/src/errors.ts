/** An answer of the run that says no. `code` is one of docs/federated-api.md. */
export class RequestError extends Error {
	override readonly name = "RequestError";
	readonly status: number;
	readonly code: string;
	readonly param: string | null;
	readonly details: Readonly<Record<string, unknown>>;
	/** Whether the same request may be sent again. */
	readonly mayRetry: boolean;
	/** When, in seconds; null if the answer does not say. */
	readonly retryAfter: number | null;
	/** The run's clock, Unix seconds. */
	readonly date: number | null;

	constructor(status: number, headers: Headers, body: string) {
		const error = errorIn(body);
		super(error.message ?? `HTTP ${status}`);
		this.status = status;
		this.code = error.code ?? `http_${status}`;
		this.param = error.param ?? null;
		this.details = error.details ?? {};
		const should = headers.get("x-should-retry");
		this.mayRetry = should === null ? status >= 500 || status === 429 || status === 408 : should === "true";
		const seconds = Number(headers.get("retry-after") ?? NaN);
		this.retryAfter = Number.isFinite(seconds) ? seconds : null;
		const date = Date.parse(headers.get("date") ?? "");
		this.date = Number.isFinite(date) ? date / 1_000 : null;
	}
}

/** What this client refuses by itself, before or after it asks the run. */
export class ClientError extends Error {
	override readonly name = "ClientError";
	readonly code:
		| "answer_invalid"
		| "digest_mismatch"
		| "encoding_refused"
		| "expelled"
		| "invitation_missing"
		| "model_invalid"
		| "report_invalid"
		| "store_busy"
		| "store_taken"
		| "update_not_finite";

	constructor(code: ClientError["code"], message: string) {
		super(message);
		this.code = code;
	}
}

interface ErrorFields {
	readonly message?: string;
	readonly code?: string;
	readonly param?: string | null;
	readonly details?: Readonly<Record<string, unknown>>;
}

/** The error of a body, as far as it is one: a proxy between may have answered anything. */
function errorIn(body: string): ErrorFields {
	try {
		const { error } = JSON.parse(body) as { error?: unknown };
		return typeof error === "object" && error !== null ? error : {};
	} catch {
		return {};
	}
}
