import { expect, test } from "vitest";
import { mergedReply, mergedRows, mergedStats } from "../../../src/shared/kv/events/merged.ts";
import type { EventReply, KvStats, RankStats } from "../../../src/shared/kv/events/messages.ts";

const reply = (next: number, replay_from: number | null): EventReply => ({
	next,
	replay_from,
	applied: 0,
	duplicates: 0,
	resets: 0,
	clears: 0,
	unknown: 0,
});

test("of several shards the one counts that lacks the most", () => {
	expect(mergedReply([])).toBeUndefined();
	expect(mergedReply([reply(9, null), reply(9, null)])).toEqual(reply(9, null));
	expect(mergedReply([reply(9, null), reply(6, 5), reply(0, 0), reply(3, 2)])).toEqual(reply(0, 0));
});

test("a replica has one row a rank, the longest, and what is believed gives way to what is known", () => {
	const events = { source: "events", tiers: {} } as const;
	const rows = mergedRows([
		{ source: "index", replica: "p/a", tokens: 500 },
		{ ...events, replica: "p/a", dp_rank: 0, tokens: 32 },
		{ ...events, replica: "p/a", dp_rank: 1, tokens: 16 },
		{ ...events, replica: "p/a", dp_rank: 0, tokens: 48 },
		{ source: "index", replica: "p/b", tokens: 40 },
		{ source: "index", replica: "p/b", tokens: 30 },
	]);
	expect(rows).toEqual([
		{ ...events, replica: "p/a", dp_rank: 0, tokens: 48 },
		{ source: "index", replica: "p/b", tokens: 40 },
		{ ...events, replica: "p/a", dp_rank: 1, tokens: 16 },
	]);
});

test("of a rank the shard speaks that has read furthest, and memory adds up", () => {
	const rank = (next: number) => ({ replica: "p/a", dp_rank: 0, next }) as RankStats;
	const stats = (next: number): KvStats => ({ ranks: [rank(next)], entries: 1, entries_max: 10, evicted: 2 });
	expect(mergedStats([stats(3), stats(7), stats(0)])).toEqual({
		ranks: [rank(7)],
		entries: 3,
		entries_max: 30,
		evicted: 6,
	});
});
