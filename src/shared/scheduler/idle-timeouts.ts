import type { Seconds } from "../units.ts";
import { idleTimeoutCall } from "../warmth/engine-calls.ts";
import type { Outlook } from "../warmth/outlook.ts";
import type { PoolWarmth } from "../warmth/pool-warmth.ts";
import type { ReplicaWarmth } from "../warmth/replica-warmth.ts";
import type { ReplicaState } from "./fleet.ts";

/** So many gaps make a pattern that a provider's time-out may be set by. */
const GAPS_MIN = 20;
/** A time-out is set again when it should be so many times what it is, or the inverse, and not too often; providers restart workers
 *  for it. The first ones rest on little: the time until the next doubles with each, up to an hour. */
const RATIO = 1.5;
const PAUSE_MIN: Seconds = 120;
const PAUSE_MAX: Seconds = 3_600;
/** Shorter ones would be the life of a worker that was started early, too: it would have to be kept by a call every second or two. */
const TIMEOUT_MIN: Seconds = 5;

/** After which idle time providers should let a pool go. */
export class IdleTimeouts {
	/** When a pool's may be set again, and the pause after that. */
	readonly #set = new WeakMap<PoolWarmth, { readonly from: Seconds; readonly pause: Seconds }>();

	/** The one to set now; undefined where it is well as it is, cannot be set, or somebody uses it. */
	due({ entry }: ReplicaState, warmth: ReplicaWarmth, outlook: Outlook, now: Seconds): Seconds | undefined {
		const { pool, demand } = warmth;
		const { from, pause } = this.#set.get(pool) ?? { from: -Infinity, pause: PAUSE_MIN };
		if (warmth.isUsed || now < from || demand.seen < GAPS_MIN) return undefined;
		const wanted = idleTimeoutCall(entry, Math.max(TIMEOUT_MIN, outlook.letGoAt(0)));
		if (!wanted) return undefined;
		const ratio = wanted.seconds / pool.idleness.idle;
		if (ratio < RATIO && ratio > 1 / RATIO) return undefined;
		this.#set.set(pool, { from: now + pause, pause: Math.min(PAUSE_MAX, 2 * pause) });
		return wanted.seconds;
	}
}
