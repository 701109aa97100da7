import type { IncomingMessage } from "node:http";

/** A request as it arrived. Header names are in lower case; the body is what came, as text. */
export interface RecordedRequest {
	readonly method: string;
	readonly path: string;
	readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
	readonly body: string;
}

/** The last requests, oldest first; turned into text only when somebody looks. */
export class Recorder {
	readonly #limit: number;
	#entries: { readonly request: IncomingMessage; readonly body: Buffer | null }[] = [];

	constructor(limit: number) {
		this.#limit = limit;
	}

	add(request: IncomingMessage, body: Buffer | null): void {
		if (this.#limit === 0) return;
		this.#entries.push({ request, body });
		if (this.#entries.length >= 2 * this.#limit) this.#entries = this.#entries.slice(-this.#limit);
	}

	list(): RecordedRequest[] {
		return this.#entries.slice(-this.#limit).map(({ request, body }) => ({
			method: request.method ?? "",
			path: request.url ?? "",
			headers: request.headers,
			body: body?.toString() ?? "",
		}));
	}

	clear(): void {
		this.#entries = [];
	}
}
