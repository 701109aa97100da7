import type { Trace, TraceRequest } from "../trace.ts";

/** Conversations that a seed keeps. */
const KEPT_SHARE = 0.85;
/** Seconds of the sessions' own time that are played. */
const SESSION_WINDOW = 5_400;
/** Of what is played while caches are still filling. */
const WARMUP_SHARE = 0.3;

/** Where parameters are tuned, and where they are judged. */
export type Half = "first" | "second";

export interface Sampling {
	readonly half: Half;
	readonly rng: () => number;
	/** How much is taken, in (0, 1]. */
	readonly size: number;
}

/** A trace with a share of its conversations that `rng` chooses. For the first half only that, judged after a while; for the
 *  second all of it, judged from the middle on, so that it begins with full caches. `gridSeconds` is the grid to which the
 *  arrivals were recorded; they are spread over it. A smaller size takes what is next to the middle. */
export function sampleTrace({ requests: all, blockIds }: Trace, gridSeconds: number, sampling: Sampling): Trace {
	const { half, rng, size } = sampling;
	const middle = all.length >> 1;
	const from = Math.floor(middle * (1 - size));
	const to = half === "first" ? middle : Math.ceil(middle + (all.length - middle) * size);
	const kept = new Map<number, boolean>();
	const requests: TraceRequest[] = [];
	for (const request of all.slice(from, to)) {
		const { conversation } = request;
		let keep = kept.get(conversation);
		if (keep === undefined) kept.set(conversation, (keep = rng() < KEPT_SHARE));
		if (keep) requests.push({ ...request, at: request.at + rng() * gridSeconds });
	}
	requests.sort((a, b) => a.at - b.at);
	const start = all[from]!.at;
	const middleAt = all[middle]!.at;
	return { requests, blockIds, judgedFrom: half === "first" ? start + WARMUP_SHARE * (middleAt - start) : middleAt };
}

/** `count` sessions of one half of all, beginning at random in an hour and a half, what comes later is left out. A smaller
 *  size takes fewer of them in a shorter time. */
export function sampleSessions(sessions: readonly Trace[], count: number, { half, rng, size }: Sampling): Trace {
	const middle = sessions.length >> 1;
	const pool = half === "first" ? sessions.slice(0, middle) : sessions.slice(middle);
	const window = SESSION_WINDOW * size;
	const requests: TraceRequest[] = [];
	let blockIds = 0;
	for (let n = 0; n < count * size && pool.length > 0; n++) {
		const [session] = pool.splice(Math.floor(rng() * pool.length), 1);
		const start = rng() * window;
		const offset = blockIds;
		for (const request of session!.requests) {
			const at = start + request.at;
			if (at >= window) continue;
			requests.push({ ...request, at, blocks: request.blocks.map((id) => id + offset), conversation: n });
		}
		blockIds += session!.blockIds;
	}
	requests.sort((a, b) => a.at - b.at);
	return { requests, blockIds, judgedFrom: WARMUP_SHARE * window };
}
