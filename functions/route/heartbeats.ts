import { errorBody, isobarError } from "../../src/shared/http/errors.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Due } from "./beat.ts";

/** A comment of a server-sent stream: readers skip it. */
const WAITING = new TextEncoder().encode(": waiting\n\n");

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** Begins the answer to a streaming request that has none yet, so that neither its client nor what stands between gives it up:
 *  comments at intervals, then the stream itself, byte for byte, or an error event and never `[DONE]`. They are no part of the
 *  answer: until its first data event the request may still go elsewhere. Due with the request's beat, so that one which is
 *  answered soon pays nothing for it. */
export class Heartbeats implements Due {
	readonly #everyMs: number;
	readonly #headers: () => Headers;
	#dueAt: number;
	#begin: (() => void) | undefined;
	#controller: ReadableStreamDefaultController<Uint8Array> | undefined;

	/** `headers`: those of an answer of which nothing is known. */
	constructor(
		{ heartbeatAfterSeconds, heartbeatSeconds }: Pick<Settings, "heartbeatAfterSeconds" | "heartbeatSeconds">,
		nowMs: number,
		headers: () => Headers,
	) {
		this.#everyMs = heartbeatSeconds * 1_000;
		this.#dueAt = nowMs + heartbeatAfterSeconds * 1_000;
		this.#headers = headers;
	}

	get dueAt(): number {
		return this.#dueAt;
	}

	/** Whether the client has got headers and comments. */
	get begun(): boolean {
		return this.#controller !== undefined;
	}

	/** `answer`, or one that begins with comments when that is late. `onBegin`: the answer is not what is waited for any more. */
	around(answer: Promise<Response>, onBegin: () => void): Promise<Response> {
		const { promise, resolve, reject } = Promise.withResolvers<Response>();
		this.#begin = () => {
			onBegin();
			resolve(new Response(this.#body(answer), { headers: this.#headers() }));
		};
		const settled = (): void => {
			this.#dueAt = Infinity;
		};
		// Where comments went out these two change nothing: the body goes on with the answer.
		answer.then(resolve, reject).finally(settled);
		return promise;
	}

	check(nowMs: number): void {
		// A timer may fire a millisecond early.
		if (nowMs < this.#dueAt - 1) return;
		this.#dueAt = nowMs + this.#everyMs;
		if (!this.#controller) this.#begin?.();
		// Whoever does not read has enough of them.
		else if ((this.#controller.desiredSize ?? -1) >= 0) this.#controller.enqueue(WAITING);
	}

	#body(answer: Promise<Response>): ReadableStream<Uint8Array> {
		let reader: Reader | undefined;
		let isLeft = false;
		return new ReadableStream<Uint8Array>(
			{
				start: (controller) => {
					this.#controller = controller;
					controller.enqueue(WAITING);
				},
				pull: async (controller) => {
					if (!reader) {
						const opened = await open(answer);
						if (isLeft) return;
						if (!("read" in opened)) {
							controller.enqueue(opened);
							return controller.close();
						}
						reader = opened;
					}
					const { done, value } = await reader.read();
					if (isLeft) return;
					if (done) controller.close();
					else controller.enqueue(value);
				},
				cancel: async (reason) => {
					isLeft = true;
					this.#dueAt = Infinity;
					if (reader) await reader.cancel(reason);
					else void answer.then((late) => late.body?.cancel(reason)).catch(() => {});
				},
			},
			{ highWaterMark: 0 },
		);
	}
}

/** The rest of an answer that has begun already: the stream, or an event that says why there is none. */
async function open(answer: Promise<Response>): Promise<Reader | Uint8Array> {
	try {
		const response = await answer;
		const { body, headers } = response;
		const isStream = response.ok && (headers.get("content-type") ?? "").startsWith("text/event-stream");
		if (isStream && body) return body.getReader();
		return event(eventText(response.status, (await response.text()).trim()));
	} catch {
		return event(errorBody(isobarError("internal", "Isobar failed; the log says why.")));
	}
}

/** An error answer's body as the payload of an event, in OpenAI's shape. A pool's refusal may have any other. */
function eventText(status: number, text: string): string {
	try {
		const body: unknown = JSON.parse(text);
		if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "object")
			return JSON.stringify(body);
	} catch {}
	const message = text.slice(0, MESSAGE_CHARS_MAX) || `The pool answered ${status}.`;
	return errorBody(isobarError("invalid_request", message, { details: { upstream_status: status } }));
}

const MESSAGE_CHARS_MAX = 1_000;

function event(data: string): Uint8Array {
	return new TextEncoder().encode(`data: ${data}\n\n`);
}
