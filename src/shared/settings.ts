import * as z from "zod";
import { PREFIX_LIMITS } from "./kv/prefix-chain.ts";
import { lazy } from "./lazy.ts";

/** What an operator may change without changing code: the JSON of the Worker's variable `SETTINGS`. Unknown names are
 *  refused, so a typing error does not pass silently. */
const schema = lazy(() => {
	const seconds = z.number().positive();
	const count = z.number().int().positive();
	return z.strictObject({
		/** The catalog snapshot in an isolate: used as it is while younger; then used and refreshed behind; then waited for. */
		catalogFreshSeconds: seconds.default(2),
		catalogStaleSeconds: seconds.default(30),
		/** How long an old snapshot still serves when D1 cannot be read at all. */
		catalogOutageSeconds: seconds.default(600),
		/** How long a request waits for one read of D1. */
		catalogDeadlineSeconds: seconds.default(3),

		/** How long a request waits for the scheduler before the stateless fallback decides. */
		schedulerDeadlineSeconds: seconds.default(0.25),
		/** How many requests of one isolate may ask a scheduler in one call, while it is busy; 1: each asks by itself. A request has some
		 *  kilobytes at most, a call 32 MB. */
		assignTogetherMax: count.max(1_000).default(64),
		reservationSeconds: seconds.default(45),
		renewSeconds: seconds.default(15),
		/** How long an isolate gathers settlements before it sends them. */
		flushSeconds: seconds.default(0.1),
		waitingRoomMax: count.default(1_000),
		waitingRoomTenantMax: count.default(250),
		/** How long a request may stand in the waiting room when its policy names no deadline. */
		waitingSecondsMax: seconds.default(30),

		/** Memory for the index of prefixes in a scheduler; it shares its isolate's 128 MB with others. */
		prefixIndexMegabytes: z.number().positive().max(1_024).default(32),
		/** Bytes of a prompt in one block: a multiple of 8. What the schedulers have indexed is lost when it changes. */
		prefixBlockBytes: count.min(64).max(65_536).multipleOf(8).default(PREFIX_LIMITS.blockBytes),

		ledgerDeadlineSeconds: seconds.default(3),
		leaseSeconds: seconds.default(45),
		/** How many requests like the one at hand a lease may cover while the budget is far from its end. */
		requestsPerLeaseMax: count.default(256),
		/** An isolate gives back what a lease still holds when nothing was drawn from it for this long. */
		leaseIdleSeconds: seconds.default(1),
		/** How long the ledger waits for leases that it has recalled before it refuses. Longer than `leaseIdleSeconds` and two
		 *  flushes, so that what lies idle anywhere is back by then. */
		recallSeconds: seconds.default(1.5),
		recordHours: seconds.default(24),

		/** Blocks of 16 tokens that a scheduler remembers of engine events, over all replicas; 60 bytes each, once used. */
		kvEventBlocksMax: count.max(4_000_000).default(262_144),

		/** What a router has learned is used by an isolate while younger; then used and refreshed behind. */
		routerViewSeconds: seconds.default(10),

		attemptsMax: count.max(6).default(3),
		/** Retries may be at most this share of a pool's traffic. */
		retryShareMax: z.number().min(0).max(1).default(0.1),
		/** Requests that are sent a second time because their answer is late may be at most this share of a model's. */
		hedgeShareMax: z.number().min(0).max(1).default(0.05),
		headersTimeoutSeconds: seconds.default(60),
		firstEventTimeoutSeconds: seconds.default(60),
		idleTimeoutSeconds: seconds.default(60),
		totalTimeoutSeconds: seconds.default(600),
		/** A streaming request that has waited for so long without an answer gets headers and comments, one each so often. */
		heartbeatAfterSeconds: seconds.default(5),
		heartbeatSeconds: seconds.default(10),

		/** One structured log line a request. Never holds a key or a prompt. */
		logRequests: z.boolean().default(true),
	});
});

export type Settings = z.infer<ReturnType<typeof schema>>;

const parsed = new Map<string, Settings>();

/** The complete settings for a Worker's `SETTINGS` text. Throws, naming the field, when the text is wrong: a deployment
 *  with wrong settings answers nothing, and its log says why. */
export function settingsFrom(text: string | undefined): Settings {
	const key = text ?? "{}";
	let settings = parsed.get(key);
	if (!settings) {
		settings = schema().parse(JSON.parse(key));
		parsed.set(key, settings);
	}
	return settings;
}
