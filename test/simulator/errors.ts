/** An error as vLLM answers it: `{"error":{"message","type","param","code"}}`, with the status as its code. */
export interface VllmError {
	readonly status: number;
	readonly type: string;
	readonly message: string;
	readonly param: string | null;
}

export function errorBody(error: VllmError): string {
	const { message, type, param, status } = error;
	return JSON.stringify({ error: { message, type, param, code: status } });
}

export function badRequest(message: string, param: string | null = null): VllmError {
	return { status: 400, type: "BadRequestError", message, param };
}

export function modelNotFound(model: string): VllmError {
	const message = `The model \`${model}\` does not exist.`;
	return { status: 404, type: "NotFoundError", message, param: "model" };
}

/** What vLLM makes of a validation error of FastAPI: a list of one, in Python's notation. */
export function validationError(kind: string, at: readonly (string | number)[], message: string): VllmError {
	const place = ["body", ...at].map((part) => (typeof part === "string" ? `'${part}'` : part)).join(", ");
	return {
		status: 400,
		type: "Bad Request",
		message: `1 validation error:\n  {'type': '${kind}', 'loc': (${place}), 'msg': '${message}'}`,
		param: typeof at[0] === "string" ? at[0] : null,
	};
}

const TYPES: Readonly<Record<number, string>> = {
	400: "BadRequestError",
	401: "AuthenticationError",
	404: "NotFoundError",
	405: "Method Not Allowed",
	429: "RateLimitError",
	500: "InternalServerError",
	503: "ServiceUnavailableError",
};

export function statusError(status: number, message: string): VllmError {
	return { status, type: TYPES[status] ?? "InternalServerError", message, param: null };
}
