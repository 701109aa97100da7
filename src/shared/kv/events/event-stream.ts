import type { Seconds } from "../../units.ts";

/** How far a publisher's sequence was read. */
export interface StreamPosition {
	/** The number that comes next. */
	readonly next: number;
	/** The engine's clock in the batch that was used last; null: none was. */
	readonly lastTs: Seconds | null;
}

export const STREAM_START: StreamPosition = { next: 0, lastTs: null };

export type Verdict =
	/** The next batch: use it. */
	| "apply"
	/** Used already. */
	| "duplicate"
	/** Batches are missing before it. */
	| "gap"
	/** Batches are missing before it that cannot be had: forget what is known, then use it. */
	| "start_over"
	/** The engine is in another life: forget what is known, then use it. */
	| "restarted"
	/** The same, and batches of that life are missing before it. */
	| "restarted_gap";

/** What to do with a batch. Engines number their batches from 0 in each life and name no life, but their clock goes on: a
 *  number that was there before, with a later time, is of a new life. `lost`: the sender cannot get the batches before it, or
 *  does not know whether they were of the same life. */
export function judge(position: StreamPosition, seq: number, ts: Seconds, lost: boolean): Verdict {
	const { next, lastTs } = position;
	if (seq >= next && lost) return "start_over";
	if (seq === next) return "apply";
	if (seq > next) return "gap";
	if (lastTs !== null && ts <= lastTs) return "duplicate";
	return seq === 0 || lost ? "restarted" : "restarted_gap";
}

/** Where to send again from: the last batch that was used comes along, and with it whether this is still the same life. */
export function replayFrom({ next }: StreamPosition): number {
	return Math.max(0, next - 1);
}
