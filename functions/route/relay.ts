import { errorBody, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { usageOfTail, type ReportedUsage } from "../../src/shared/http/usage.ts";
import type { Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { plainMessage } from "./failure.ts";
import type { LongAnswer, OpenStream } from "./upstream.ts";

/** How an answer that was passed on as it came has ended. */
export interface RelayEnd {
	readonly outcome: "ok" | "cut" | "client_gone";
	readonly error: IsobarError | null;
	readonly ttft: Seconds | null;
	readonly seconds: Seconds;
	readonly usage: ReportedUsage | null;
	/** Events that carried a piece of the answer: about one a token. */
	readonly tokenEvents: number;
}

export interface RelayEvents {
	readonly onFirstToken: (ttft: Seconds) => void;
	/** Called once, whatever happens. */
	readonly onEnd: (end: RelayEnd) => void;
}

type Pull = (controller: ReadableStreamDefaultController<Uint8Array>) => Promise<void>;

/** Passes a stream on, event by event and byte for byte. A stream that the pool cut ends in an error event of OpenAI's
 *  shape and never in `[DONE]`; half an event is never passed on. */
export function relayStream(
	open: OpenStream,
	requestId: string,
	idle: Pick<Settings, "idleTimeoutSeconds">,
	events: RelayEvents,
): ReadableStream<Uint8Array> {
	const { reader, tap, watchdog, startedAt } = open;
	let ttft = open.ttft;
	const seconds = (): Seconds => (Date.now() - startedAt) / 1_000;
	const end = once((outcome: RelayEnd["outcome"], error: IsobarError | null) => {
		watchdog.stop();
		events.onEnd({
			outcome,
			error,
			ttft,
			seconds: seconds(),
			usage: tap.usage,
			tokenEvents: tap.tokenEvents,
		});
	});
	const cut = (controller: ReadableStreamDefaultController<Uint8Array>, detail: string): void => {
		const error = isobarError(watchdog.expired ? "upstream_timeout" : "upstream_cut", detail);
		end("cut", error);
		controller.enqueue(new TextEncoder().encode(`data: ${errorBody(error, requestId)}\n\n`));
		controller.close();
	};

	const pull: Pull = async (controller) => {
		for (;;) {
			let chunk;
			// The pool's time, not the client's: while the client does not read, nobody asks the pool.
			watchdog.expect("idle", idle.idleTimeoutSeconds);
			try {
				chunk = await reader.read();
				// The end has been reported with what was counted until then: what came in that moment is not passed on.
				open.abort.signal.throwIfAborted();
			} catch (error) {
				if (open.client.aborted) return end("client_gone", null);
				return cut(
					controller,
					watchdog.expired
						? `The pool sent nothing more in time (${watchdog.expired}).`
						: `The pool's stream broke: ${plainMessage(error)}.`,
				);
			}
			if (chunk.done) {
				const forward = tap.end();
				if (forward.byteLength > 0) controller.enqueue(forward);
				// The pool has said so itself, and the client has read it.
				if (tap.error !== null) end("cut", isobarError("upstream_failed", "The pool's stream held an error."));
				else if (!tap.done && !tap.finished) return cut(controller, "The pool's stream ended before the answer did.");
				end("ok", null);
				return controller.close();
			}
			watchdog.rest();
			const forward = tap.push(chunk.value);
			if (ttft === null && tap.tokenEvents > 0) {
				ttft = seconds();
				events.onFirstToken(ttft);
			}
			if (tap.overflow) {
				await reader.cancel();
				return cut(controller, "The pool's stream holds an event without end.");
			}
			if (forward.byteLength > 0) return controller.enqueue(forward);
		}
	};
	return relay(open, pull, end);
}

/** How much of the end of a long answer is kept to find its usage. */
const TAIL_BYTES = 16_384;

/** Passes on a plain answer that is too long to hold. One that breaks off breaks the client's connection too: there is no
 *  other way left to say so. */
export function relayLong(
	open: LongAnswer,
	idle: Pick<Settings, "idleTimeoutSeconds">,
	events: RelayEvents,
): ReadableStream<Uint8Array> {
	const { reader, watchdog, startedAt } = open;
	let tail: Uint8Array = new Uint8Array();
	const end = once((outcome: RelayEnd["outcome"], error: IsobarError | null) => {
		watchdog.stop();
		const seconds = (Date.now() - startedAt) / 1_000;
		events.onEnd({ outcome, error, ttft: null, seconds, usage: usageOfTail(tail), tokenEvents: 0 });
	});
	const pull: Pull = async (controller) => {
		watchdog.expect("idle", idle.idleTimeoutSeconds);
		try {
			const { done, value } = await reader.read();
			open.abort.signal.throwIfAborted();
			if (done) {
				end("ok", null);
				return controller.close();
			}
			watchdog.rest();
			tail = lastBytes(tail, value);
			controller.enqueue(value);
		} catch (error) {
			const gone = open.client.aborted;
			end(gone ? "client_gone" : "cut", gone ? null : isobarError("upstream_cut", "The pool cut its answer."));
			controller.error(error);
		}
	};
	return relay(open, pull, end);
}

type End = (outcome: RelayEnd["outcome"], error: IsobarError | null) => void;

function relay(open: OpenStream | LongAnswer, pull: Pull, end: End): ReadableStream<Uint8Array> {
	const { held, abort, reader, client, watchdog } = open;
	// Nobody may be reading any more when the client hangs up or the time is over.
	const onAbort = (): void => {
		if (client.aborted) end("client_gone", null);
		else end("cut", isobarError(watchdog.expired ? "upstream_timeout" : "upstream_cut", "The call was ended."));
	};
	abort.signal.addEventListener("abort", onAbort, { once: true });
	return new ReadableStream<Uint8Array>(
		{
			pull: (controller) => {
				const chunk = held.shift();
				return chunk === undefined ? pull(controller) : controller.enqueue(chunk);
			},
			cancel: async (reason) => {
				end("client_gone", null);
				abort.abort(reason);
				await reader.cancel(reason).catch(() => {});
			},
		},
		{ highWaterMark: 0 },
	);
}

function once<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void {
	let done = false;
	return (...args) => {
		if (done) return;
		done = true;
		run(...args);
	};
}

function lastBytes(tail: Uint8Array, chunk: Uint8Array): Uint8Array {
	if (chunk.byteLength >= TAIL_BYTES) return chunk.slice(-TAIL_BYTES);
	const keep = tail.subarray(Math.max(0, tail.byteLength + chunk.byteLength - TAIL_BYTES));
	const joined = new Uint8Array(keep.byteLength + chunk.byteLength);
	joined.set(keep);
	joined.set(chunk, keep.byteLength);
	return joined;
}
