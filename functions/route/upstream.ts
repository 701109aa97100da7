import type { ScaleToZeroName } from "../../src/shared/catalog/scale-to-zero.ts";
import { SseTap } from "../../src/shared/http/sse.ts";
import { usageOfBody, type ReportedUsage } from "../../src/shared/http/usage.ts";
import { ANSWER_HOLD_BYTES_MAX, ANSWER_PREAMBLE_BYTES_MAX, REFUSAL_BYTES_MAX } from "../../src/shared/limits.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { WarmthSignal } from "../../src/shared/warmth/signal.ts";
import { answerSignal } from "../../src/shared/warmth/signals/answer.ts";
import { failureOfStatus, plainMessage, retryAfterSeconds, type Failure } from "./failure.ts";
import type { Beat } from "./beat.ts";
import type { PlainHeaders } from "./plain-headers.ts";
import { concat, readUpTo } from "./read-up-to.ts";
import type { RequestTimer } from "./request-timer.ts";
import { Watchdog } from "./watchdog.ts";

/** One call to one replica. */
export interface UpstreamCall {
	readonly url: string;
	readonly headers: PlainHeaders;
	readonly body: Uint8Array;
	readonly stream: boolean;
	/** Take the usage event out of the stream: the client did not ask for it. */
	readonly dropUsageEvent: boolean;
	/** How the replica's pool scales to zero: what its answers say of that. Null: it is always warm. */
	readonly scaleToZero: ScaleToZeroName | null;
	/** Asked when the connection was lost before anything came: whether the call may be made once more. It is, where it may. */
	readonly mayRepeat: () => boolean;
}

interface Head {
	readonly status: number;
	readonly headers: Headers;
	/** Seconds from the call to the response headers. */
	readonly headersAt: Seconds;
}

/** An answer of which only the beginning has been read. */
interface Open extends Head {
	/** What was read already and goes to the client first; emptied as it goes. */
	readonly held: Uint8Array[];
	readonly reader: ReadableStreamDefaultReader<Uint8Array>;
	readonly watchdog: Watchdog;
	readonly abort: AbortController;
	readonly client: AbortSignal;
	/** Unix milliseconds of the call. */
	readonly startedAt: number;
}

/** A stream whose first data event has come. */
export interface OpenStream extends Open {
	readonly kind: "stream";
	readonly tap: SseTap;
	/** Seconds to the first token; null while only other events have come. */
	readonly ttft: Seconds | null;
}

/** A plain answer that is too long to hold. */
export interface LongAnswer extends Open {
	readonly kind: "long";
}

/** How a call ended, and what the answer said of the pool's warmth. */
export type UpstreamResult = Outcome & { readonly warmth: WarmthSignal | null };

type Outcome =
	| OpenStream
	/** A whole answer. */
	| (Head & { readonly kind: "plain"; readonly body: Uint8Array; readonly usage: ReportedUsage })
	| LongAnswer
	/** The pool says that the client is wrong: passed on as it is. */
	| (Head & { readonly kind: "refused"; readonly body: Uint8Array })
	| { readonly kind: "failed"; readonly failure: Failure }
	/** `sent`: the pool had been called by then, and may have worked on it. */
	| { readonly kind: "client_gone"; readonly sent: boolean };

type Timeouts = Pick<
	Settings,
	"headersTimeoutSeconds" | "firstEventTimeoutSeconds" | "idleTimeoutSeconds" | "totalTimeoutSeconds"
>;

/** Calls a replica and reads until it is sure that the answer has begun: the first data event of a stream, the whole of a
 *  plain answer. Until then the request may still go to another replica. Never throws for what a pool does. `beat` keeps
 *  what is reserved for it; `abort` ends it. */
export async function callUpstream(
	call: UpstreamCall,
	timeouts: Timeouts,
	client: AbortSignal,
	beat: Beat,
	timer: RequestTimer,
	abort: AbortController,
): Promise<UpstreamResult> {
	if (client.aborted) return { kind: "client_gone", sent: false, warmth: null };
	const onClientGone = (): void => abort.abort(new Error("client gone"));
	client.addEventListener("abort", onClientGone, { once: true });
	const watchdog = new Watchdog(abort, timeouts.totalTimeoutSeconds, beat, timer);
	// A plain answer's headers come when all of it has been computed.
	watchdog.expect("headers", call.stream ? timeouts.headersTimeoutSeconds : timeouts.totalTimeoutSeconds);
	const context: Context = { abort, watchdog, client, startedAt: Date.now(), headersSeen: false, warmth: null };
	let keep = false;
	try {
		const result = await answer(call, timeouts, context);
		keep = result.kind === "stream" || result.kind === "long";
		return { ...result, warmth: context.warmth };
	} catch (error) {
		const { warmth } = context;
		if (client.aborted) return { kind: "client_gone", sent: true, warmth };
		return { kind: "failed", failure: failureOfException(error, context), warmth };
	} finally {
		if (!keep) {
			watchdog.stop();
			client.removeEventListener("abort", onClientGone);
		}
	}
}

interface Context extends Pick<Open, "abort" | "watchdog" | "client" | "startedAt"> {
	headersSeen: boolean;
	warmth: WarmthSignal | null;
}

async function answer(call: UpstreamCall, timeouts: Timeouts, context: Context): Promise<Outcome> {
	const response = await send(call, context);
	context.headersSeen = true;
	const { status, headers } = response;
	const head = { status, headers, headersAt: (Date.now() - context.startedAt) / 1_000 };
	context.warmth = warmthOf(call, head, "");
	if (context.warmth?.state === "waking") {
		await response.body?.cancel();
		return starting(head);
	}
	if (status < 200 || status >= 300) {
		const failure =
			status < 400
				? { kind: "status" as const, status, retryAfter: null, detail: `the pool answered ${status}, a redirect` }
				: failureOfStatus(status, retryAfterSeconds(headers.get("retry-after"), Date.now() / 1_000));
		if (failure) {
			await response.body?.cancel();
			return { kind: "failed", failure };
		}
		return refusal(call, response, head, context);
	}
	if (!call.stream) return plain(response, head, context);
	if (!response.body) return garbage(status, EMPTY);
	if (!/^text\/event-stream\b/i.test(headers.get("content-type") ?? "")) {
		await response.body.cancel();
		return garbage(status, `content type ${headers.get("content-type") ?? "absent"} where a stream was asked for`);
	}
	context.watchdog.expect("first_event", timeouts.firstEventTimeoutSeconds);
	return openStream(call, response.body, head, context);
}

async function refusal(call: UpstreamCall, response: Response, head: Head, context: Context): Promise<Outcome> {
	const { held, size, reader } = await readUpTo(response, REFUSAL_BYTES_MAX);
	if (reader) {
		await reader.cancel();
		return garbage(head.status, `an error of over ${REFUSAL_BYTES_MAX} bytes`);
	}
	const body = concat(held, size);
	// Some providers say so with a status that is a client's fault elsewhere.
	context.warmth = call.scaleToZero && warmthOf(call, head, new TextDecoder().decode(body));
	return context.warmth?.state === "waking" ? starting(head) : { kind: "refused", ...head, body };
}

function warmthOf(call: UpstreamCall, { status, headers, headersAt }: Head, body: string): WarmthSignal | null {
	if (call.scaleToZero === null) return null;
	const at = Date.now() / 1_000;
	return answerSignal(call.scaleToZero, { status, headers, body, seconds: headersAt, streamed: call.stream, at });
}

/** No engine has seen the request, and its provider starts one: says nothing about the replica's health. */
function starting({ status, headers }: Head): Outcome {
	const retryAfter = retryAfterSeconds(headers.get("retry-after"), Date.now() / 1_000);
	const detail = `the pool is starting, it answered ${status}`;
	return { kind: "failed", failure: { kind: "busy", status, retryAfter, detail } };
}

/** How soon a connection that is lost was one that the pool had closed already. */
const STALE_SECONDS = 1;

/** Servers close connections that were idle (vLLM's after five seconds), which is found out when one is used again; a new
 *  one is tried then, once, because that says nothing about the replica. RFC 9110, 9.2.2, leaves the repetition of a POST to those
 *  who know what it means: a generation changes nothing at the pool, and twice is at worst paid twice, by the operator. The
 *  runtime has one error for connections that are lost and that are refused, so a replica that is down is tried twice as well. */
async function send(call: UpstreamCall, { abort, startedAt }: Context): Promise<Response> {
	const { headers, body, mayRepeat } = call;
	const request = (): Promise<Response> =>
		fetch(call.url, { method: "POST", headers, body, signal: abort.signal, redirect: "manual" });
	try {
		return await request();
	} catch (error) {
		if (abort.signal.aborted || Date.now() - startedAt > STALE_SECONDS * 1_000 || !mayRepeat()) throw error;
		return request();
	}
}

const EMPTY = "an empty body";

async function plain(response: Response, head: Head, context: Context): Promise<Outcome> {
	const { held, size, reader } = await readUpTo(response, ANSWER_HOLD_BYTES_MAX);
	if (size === 0) return garbage(head.status, EMPTY);
	return reader ? { kind: "long", ...head, ...context, held, reader } : wholeAnswer(concat(held, size), head);
}

function wholeAnswer(body: Uint8Array, head: Head): Outcome {
	const read = usageOfBody(body);
	if (!read.isObject) return garbage(head.status, `${body.byteLength} bytes that are no JSON object`);
	if (read.error) return { kind: "failed", failure: errorAnswer(head.status) };
	return { kind: "plain", ...head, body, usage: read.usage };
}

async function openStream(
	call: UpstreamCall,
	body: ReadableStream<Uint8Array>,
	head: Head,
	context: Context,
): Promise<Outcome> {
	const reader = body.getReader();
	const tap = new SseTap({ dropUsageEvent: call.dropUsageEvent });
	const held: Uint8Array[] = [];
	let size = 0;
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return { kind: "failed", failure: cutBeforeData(tap.dataEvents) };
		const forward = tap.push(value);
		if (forward.byteLength > 0) held.push(forward);
		size += forward.byteLength;
		if (tap.overflow) {
			await reader.cancel();
			return garbage(head.status, "an event without end");
		}
		if (tap.error !== null) {
			await reader.cancel();
			return { kind: "failed", failure: errorAnswer(head.status) };
		}
		if (tap.dataEvents === 0) {
			if (size <= ANSWER_PREAMBLE_BYTES_MAX) continue;
			await reader.cancel();
			return garbage(head.status, "comments without end");
		}
		if (!tap.isJson) {
			await reader.cancel();
			return garbage(head.status, "events that are no JSON");
		}
		const ttft = tap.tokenEvents > 0 ? (Date.now() - context.startedAt) / 1_000 : null;
		return { kind: "stream", ...head, ...context, held, reader, tap, ttft };
	}
}

function errorAnswer(status: number): Failure {
	return { kind: "status", status, retryAfter: null, detail: "the pool answered with an error inside a good status" };
}

function cutBeforeData(events: number): Failure {
	return { kind: "cut", status: null, retryAfter: null, detail: `the stream ended after ${events} events` };
}

function garbage(status: number, detail: string): Outcome {
	return { kind: "failed", failure: { kind: "garbage", status, retryAfter: null, detail } };
}

function failureOfException(error: unknown, { watchdog, headersSeen }: Context): Failure {
	if (watchdog.expired !== null) {
		return { kind: "timeout", status: null, retryAfter: null, detail: `no ${PHASE_NAMES[watchdog.expired]} in time` };
	}
	const detail = plainMessage(error);
	return headersSeen
		? { kind: "cut", status: null, retryAfter: null, detail: `the answer broke off: ${detail}` }
		: { kind: "connect", status: null, retryAfter: null, detail: `connection failed: ${detail}` };
}

const PHASE_NAMES = {
	headers: "response headers",
	first_event: "first event",
	idle: "further event",
	total: "end",
} as const;
