import { contentDigest } from "../../../src/shared/http/content-digest.ts";
import { signerOf } from "../../../src/shared/http/ed25519.ts";
import { signatureHeaders, type Sign } from "../../../src/shared/http/message-signature.ts";
import { base64url, sha256 } from "./encode-text.ts";
import { ClientError, RequestError } from "./errors.ts";
import type { OnEvent } from "./events.ts";

const SIGNATURE_SECONDS = 120;
const TIMEOUT_SECONDS = 60;
/** Two answers of one clock differ by less. */
const CLOCK_SECONDS_MIN = 10;

export interface Backoff {
	/** Seconds of the first pause; each is twice the one before. */
	readonly first: number;
	readonly max: number;
	/** After so many seconds of failures a request is given up. */
	readonly giveUp: number;
}

export interface Call {
	readonly method: "GET" | "HEAD" | "PUT" | "POST";
	/** Below the run's URL, query included. */
	readonly path: string;
	readonly body?: Uint8Array<ArrayBuffer>;
	readonly hasNonce?: boolean;
	/** Default: the client's id. */
	readonly keyid?: string;
	/** Asked anew at each attempt. */
	readonly headers?: () => Readonly<Record<string, string>>;
	readonly timeout?: number;
}

export interface TransportOptions {
	/** Of the run. */
	readonly url: string;
	readonly keys: CryptoKeyPair;
	readonly backoff: Backoff;
	readonly onEvent: OnEvent;
	readonly fetch: typeof fetch;
	/** Ends what is under way, with the signal's reason. */
	readonly signal: AbortSignal;
}

/** Requests of one client to one run: signed, and sent again, signed anew, until they are answered. */
export class Transport {
	/** The client's id, once it has joined. */
	keyid = "";
	readonly #options: TransportOptions;
	readonly #sign: Sign;
	/** How far the run's clock is ahead of ours, as far as it has said so. */
	#clockAhead = 0;

	constructor(options: TransportOptions) {
		this.#options = options;
		this.#sign = signerOf(options.keys.privateKey);
	}

	get url(): string {
		return this.#options.url;
	}

	get signal(): AbortSignal {
		return this.#options.signal;
	}

	json(call: Call): Promise<unknown> {
		return this.request(call, (response) => response.json());
	}

	/** What `read` makes of the answer. Refusals are thrown as `RequestError`; where it may help the request is sent again, also
	 *  when the answer breaks off. */
	async request<T>(call: Call, read: (response: Response) => Promise<T>): Promise<T> {
		const { backoff, onEvent, signal } = this.#options;
		const start = performance.now();
		for (let pause = backoff.first; ; pause = Math.min(backoff.max, pause * 2)) {
			try {
				signal.throwIfAborted();
				return await this.#attempt(call, read);
			} catch (cause) {
				signal.throwIfAborted();
				const error = cause as Error;
				const wait = this.#waitOf(error, pause);
				if (wait === null || (performance.now() - start) / 1_000 + wait > backoff.giveUp) throw error;
				onEvent({ type: "retrying", error, seconds: wait });
				await sleep(wait, signal);
			}
		}
	}

	async #attempt<T>(call: Call, read: (response: Response) => Promise<T>): Promise<T> {
		const { method, path, body, timeout = TIMEOUT_SECONDS } = call;
		const url = this.#options.url + path;
		const headers = new Headers(call.headers?.());
		if (body) {
			headers.set("content-digest", contentDigest(await sha256(body)));
			headers.set("content-type", path.includes("/parts/") ? "application/octet-stream" : "application/json");
		}
		const created = Math.floor(Date.now() / 1_000 + this.#clockAhead);
		const signed = await signatureHeaders(
			{ method, url, headers },
			{
				created,
				expires: created + SIGNATURE_SECONDS,
				keyid: call.keyid ?? this.keyid,
				nonce: call.hasNonce ? newNonce() : null,
			},
			this.#sign,
		);
		for (const [name, value] of Object.entries(signed)) headers.set(name, value);
		const signal = AbortSignal.any([this.#options.signal, AbortSignal.timeout(timeout * 1_000)]);
		const response = await this.#options.fetch(url, { method, headers, signal, ...(body && { body }) });
		if (response.ok) return read(response);
		throw new RequestError(response.status, response.headers, await response.text());
	}

	/** Seconds to wait before the next attempt; null if none would help. */
	#waitOf(error: Error, pause: number): number | null {
		const spread = pause * (0.5 + Math.random() / 2);
		if (error instanceof ClientError) return null;
		// The network, a time-out, an answer that broke off.
		if (!(error instanceof RequestError)) return spread;
		if (error.code === "signature_expired") return this.#setClock(error.date) ? 0 : null;
		return error.mayRetry || error.code === "nonce_replayed" ? Math.max(spread, error.retryAfter ?? 0) : null;
	}

	/** Whether what the run said of the time is news. Browsers are shown it only where the run allows. */
	#setClock(date: number | null): boolean {
		if (date === null) return false;
		const ahead = date - Date.now() / 1_000;
		const isNews = Math.abs(ahead - this.#clockAhead) > CLOCK_SECONDS_MIN;
		this.#clockAhead = ahead;
		return isNews;
	}
}

export async function publicKeyOf({ publicKey }: CryptoKeyPair): Promise<string> {
	return base64url(new Uint8Array(await crypto.subtle.exportKey("raw", publicKey)));
}

/** Resolves after so many seconds; rejects when it is aborted. */
export function sleep(seconds: number, signal: AbortSignal): Promise<void> {
	return new Promise((resolve, reject) => {
		signal.throwIfAborted();
		const stop = () => {
			clearTimeout(timer);
			reject(signal.reason as Error);
		};
		const timer = setTimeout(() => {
			signal.removeEventListener("abort", stop);
			resolve();
		}, seconds * 1_000);
		signal.addEventListener("abort", stop, { once: true });
	});
}

function newNonce(): string {
	return base64url(crypto.getRandomValues(new Uint8Array(18)));
}
