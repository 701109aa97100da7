import type { EventReply, HeldRow, KvStats, RankStats } from "./messages.ts";

/** What several shards that were sent the same batches say together: that of the one which lacks the most. It has started anew,
 *  and the others take what they have as duplicates. */
export function mergedReply(replies: readonly EventReply[]): EventReply | undefined {
	const from = ({ replay_from }: EventReply): number => replay_from ?? Infinity;
	return replies.reduce<EventReply | undefined>(
		(most, each) => (most === undefined || from(each) < from(most) ? each : most),
		undefined,
	);
}

/** What several schedulers of one model know of the same prompt: of each replica and rank the row that holds the most, the
 *  most first. Where one knows by events, what others believe does not count. */
export function mergedRows(rows: readonly HeldRow[]): HeldRow[] {
	const exact = new Set(rows.filter(({ source }) => source === "events").map(({ replica }) => replica));
	const best = new Map<string, HeldRow>();
	for (const row of rows) {
		if (row.source === "index" && exact.has(row.replica)) continue;
		const id = row.source === "events" ? `${row.replica} ${row.dp_rank}` : row.replica;
		const known = best.get(id);
		if (!known || row.tokens > known.tokens) best.set(id, row);
	}
	return [...best.values()].sort((a, b) => b.tokens - a.tokens);
}

/** Their statistics together: memory adds up, and of each engine the scheduler speaks that has read furthest. */
export function mergedStats(stats: readonly KvStats[]): KvStats {
	const ranks = new Map<string, RankStats>();
	for (const rank of stats.flatMap((each) => each.ranks)) {
		const id = `${rank.replica} ${rank.dp_rank}`;
		const known = ranks.get(id);
		if (!known || rank.next > known.next) ranks.set(id, rank);
	}
	const sum = (of: (each: KvStats) => number): number => stats.reduce((total, each) => total + of(each), 0);
	return {
		ranks: [...ranks.values()],
		entries: sum((each) => each.entries),
		entries_max: sum((each) => each.entries_max),
		evicted: sum((each) => each.evicted),
	};
}
