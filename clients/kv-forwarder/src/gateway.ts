import { encode } from "@msgpack/msgpack";
import type { Frame } from "./frame.ts";

/** What the gateway says of frames that it was sent. */
export type Answer =
	| {
			readonly kind: "taken";
			/** The sequence number that comes next. */
			readonly next: number;
			/** How many of the frames, from the first, it has dealt with. */
			readonly used: number;
			/** Frames are missing before the others: send again from here. */
			readonly replayFrom: number | null;
			/** Times that it forgot what it knew. */
			readonly resets: number;
	  }
	/** The frame of this index cannot be read. None was used. */
	| { readonly kind: "bad_frame"; readonly index: number; readonly reason: string }
	/** Too much at once. */
	| { readonly kind: "too_large" }
	/** Try again: later, or much later where somebody has to change something first. */
	| { readonly kind: "later"; readonly reason: string; readonly isRefusal: boolean };

/** Where frames go. Never rejects. */
export interface Gateway {
	send(frames: readonly Frame[]): Promise<Answer>;
}

export interface GatewayOptions {
	/** Without `/v1`. */
	readonly url: string;
	readonly key: string;
	/** `pool/replica`. */
	readonly replica: string;
	readonly rank: number;
	readonly topic: string;
	readonly timeoutSeconds: number;
}

/** Isobar's `POST /v1/kv/events`. */
export class HttpGateway implements Gateway {
	readonly #options: GatewayOptions;

	constructor(options: GatewayOptions) {
		this.#options = options;
	}

	async send(frames: readonly Frame[]): Promise<Answer> {
		const { url, key, replica, rank, topic, timeoutSeconds } = this.#options;
		const batches = frames.map(({ seq, payload, lost }) => ({ seq, payload, ...(lost && { lost }) }));
		try {
			const response = await fetch(`${url.replace(/\/+$/, "")}/v1/kv/events`, {
				method: "POST",
				headers: {
					authorization: `Bearer ${key}`,
					"content-type": "application/msgpack",
					"x-isobar-kv-replica": replica,
					"x-isobar-kv-rank": String(rank),
					...(topic !== "" && { "x-isobar-kv-topic": topic }),
				},
				body: new Uint8Array(encode({ batches })),
				redirect: "error",
				signal: AbortSignal.timeout(timeoutSeconds * 1_000),
			});
			const text = await response.text();
			return response.ok ? taken(text) : refused(response.status, text, frames.length);
		} catch (error) {
			return later(error instanceof Error ? `${error.message} ${causeOf(error)}`.trim() : String(error));
		}
	}
}

interface TakenBody {
	readonly next: number;
	readonly replay_from: number | null;
	readonly applied: number;
	readonly duplicates: number;
	readonly resets: number;
}

interface ErrorBody {
	readonly error: { readonly message: string; readonly details?: { readonly batch?: number } };
}

function taken(text: string): Answer {
	const { next, replay_from, applied, duplicates, resets } = JSON.parse(text) as TakenBody;
	if (!Number.isSafeInteger(next)) return later("the gateway's answer is not of POST /v1/kv/events");
	return { kind: "taken", next, used: applied + duplicates, replayFrom: replay_from, resets };
}

function refused(status: number, text: string, frames: number): Answer {
	let body: Partial<ErrorBody> = {};
	try {
		body = JSON.parse(text) as ErrorBody;
	} catch {
		// Something before the gateway has answered.
	}
	const reason = `${status}: ${body.error?.message ?? text.slice(0, 200)}`;
	const index = body.error?.details?.batch;
	if (status === 400 && index !== undefined && index >= 0 && index < frames)
		return { kind: "bad_frame", index, reason };
	if (status === 413) return { kind: "too_large" };
	return { ...later(reason), isRefusal: status < 500 && status !== 408 && status !== 429 };
}

function later(reason: string): { kind: "later"; reason: string; isRefusal: boolean } {
	return { kind: "later", reason, isRefusal: false };
}

function causeOf({ cause }: Error): string {
	return cause instanceof Error ? cause.message : "";
}
