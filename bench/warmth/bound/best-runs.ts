import type { Need } from "./needs.ts";

export interface RunOptions {
	/** When the judged time begins: the pool may be up then at no cost. */
	readonly from: number;
	readonly at: readonly number[];
	readonly needs: readonly Need[];
	/** Seconds of a start from which each request could be served. */
	readonly startSeconds: readonly number[];
	/** USD of a second that the pool is up. */
	readonly usdPerSecond: number;
}

/** What the best way of serving earns, and for how many seconds the pool is up for it. */
export interface Earned {
	readonly usd: number;
	readonly upSeconds: number;
}

/** The most that a pool can earn that is paid `gains[r]` (0 or more) for each request it serves within the goal, and whom it serves
 *  then (marked in `served`). Dynamic programming over the gaps: between two requests it stays up or goes and starts again. Its
 *  memory and batches have no end, it starts just in time, and a run from a request `f` to a request `l` costs no more than a start,
 *  the time from the last instant at which `f` could begin to the arrival of `l`, and the seconds of `l`. */
export function bestRuns(gains: Float64Array, options: RunOptions, served: Uint8Array): Earned {
	const { from, at, needs, startSeconds, usdPerSecond } = options;
	const count = at.length;
	/** Whether the best run that is under way at a request begins with it, and where the best that is over by then ends. */
	const begins = new Uint8Array(count);
	const endsAt = new Int32Array(count);
	let up = 0;
	let upAt = from;
	let down = 0;
	let lastEnd = -1;
	for (let k = 0; k < count; k++) {
		const { slack, seconds } = needs[k]!;
		const stay = up - usdPerSecond * (at[k]! - upAt);
		const start = gains[k]! > 0 ? down - usdPerSecond * (startSeconds[k]! - slack) : -Infinity;
		begins[k] = start > stay ? 1 : 0;
		up = Math.max(stay, start) + gains[k]!;
		upAt = at[k]!;
		const ended = up - usdPerSecond * seconds;
		if (gains[k]! > 0 && ended > down) {
			down = ended;
			lastEnd = k;
		}
		endsAt[k] = lastEnd;
	}
	served.fill(0);
	let upSeconds = 0;
	let k = lastEnd;
	while (k >= 0) {
		upSeconds += at[k]! + needs[k]!.seconds;
		while (k > 0 && !begins[k]) {
			if (gains[k]! > 0) served[k] = 1;
			k--;
		}
		if (gains[k]! > 0) served[k] = 1;
		upSeconds -= begins[k] ? at[k]! + needs[k]!.slack - startSeconds[k]! : from;
		k = k > 0 ? endsAt[k - 1]! : -1;
	}
	return { usd: down, upSeconds };
}
