import type { Seconds } from "../units.ts";

/** An answer as a pool gave it. */
export interface StoredAnswer {
	readonly contentType: string;
	/** Whose answer it is. */
	readonly model: string;
	/** JSON, or a whole stream of server-sent events. */
	readonly body: Uint8Array;
}

export type CacheReply =
	/** `joined`: it was given while this request waited for it. */
	| { readonly kind: "hit"; readonly answer: StoredAnswer; readonly age: Seconds; readonly joined: boolean }
	/** Nobody has it and nobody is at it: this request is to get it, and to `give` or `forgo`. */
	| { readonly kind: "lead" }
	/** Another request is at it: `wait` for that. */
	| { readonly kind: "wait" };

/** A tenant's cache object, as an isolate calls it. `asker`: the request's id. */
export interface CachePort {
	ask(key: string, asker: string): Promise<CacheReply>;
	/** What comes of the request that is at it: its answer, or the lead once it has failed. Null: nothing is known of it any
	 *  more. */
	wait(key: string, asker: string): Promise<CacheReply | null>;
	/** The lead's sign of life. */
	renew(key: string, asker: string): Promise<void>;
	give(key: string, answer: StoredAnswer, ttlSeconds: Seconds): Promise<void>;
	/** No answer will come of this request, or it does not wait any more. */
	forgo(key: string, asker: string): Promise<void>;
}

/** How long a lead is believed to be at work without a sign of life, and how often it gives one. */
export const LEAD_SECONDS: Seconds = 15;
export const LEAD_RENEW_SECONDS: Seconds = 5;
