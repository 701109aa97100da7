/** What crosses between `functions/kv-store` and the scheduler object that keeps the state. */
import type { ReplicaName } from "../../scheduler/messages.ts";
import type { Tokens } from "../../units.ts";
import type { PrefixChain } from "../prefix-chain.ts";
import type { SequencedBatch, Tier } from "./event.ts";

/** One engine's publisher: each data-parallel rank has its own sequence and its own KV cache. */
export interface EventSource {
	readonly replica: ReplicaName;
	readonly rank: number;
	/** The ZMQ topic, for people to recognise. */
	readonly topic: string | null;
}

export interface EventReply {
	/** The sequence number that comes next. */
	readonly next: number;
	/** Where to send again from, when batches are missing before one that was sent: what came from that one on was not used. The
	 *  batch that was used last is asked for once more, since it shows whether the engine is still in the same life. */
	readonly replay_from: number | null;
	readonly applied: number;
	/** Batches that were used before, or came before one that was. */
	readonly duplicates: number;
	/** How often the blocks were forgotten for a restart or a gap that cannot be filled. */
	readonly resets: number;
	/** `AllBlocksCleared` events. */
	readonly clears: number;
	/** Events of kinds that we do not know. */
	readonly unknown: number;
}

/** What somebody asks about a prompt. */
export interface KvQuestion {
	/** `tokenChain` of the prompt as engines see it that are told to part their caches, and of those that are not. Null: its tokens
	 *  are not known. */
	readonly tokens: { readonly salted: Uint32Array; readonly plain: Uint32Array } | null;
	/** `prefixChain` of its text: for replicas that send no events. */
	readonly prefix: PrefixChain;
	/** Tokens in all; null: not known. */
	readonly promptTokens: Tokens | null;
	readonly promptBytes: number;
}

export interface HeldByRank {
	readonly replica: ReplicaName;
	readonly dp_rank: number;
	/** Tokens of the prompt's start that it holds, in its tiers together. */
	readonly tokens: Tokens;
	/** In each tier alone; tiers with none are left out. */
	readonly tiers: Partial<Readonly<Record<Tier, Tokens>>>;
}

/** What a replica holds of a prompt: by its engine's own events, or as the scheduler believes from what it sent there. */
export type HeldRow =
	| ({ readonly source: "events" } & HeldByRank)
	| { readonly source: "index"; readonly replica: ReplicaName; readonly tokens: Tokens };

export interface RankStats {
	readonly replica: ReplicaName;
	readonly dp_rank: number;
	readonly topic: string | null;
	readonly next: number;
	/** The engine's clock in the last batch, Unix seconds. */
	readonly last_ts: number | null;
	readonly tokens: Partial<Readonly<Record<Tier, Tokens>>>;
	readonly batches: number;
	readonly duplicates: number;
	readonly gaps: number;
	readonly resets: number;
	readonly clears: number;
	/** Blocks left out because their parent is not known. */
	readonly orphans: number;
}

export interface KvStats {
	readonly ranks: readonly RankStats[];
	/** Places in the table: one a block of 16 tokens (or a smaller one of the engine), over all replicas. */
	readonly entries: number;
	readonly entries_max: number;
	/** Entries dropped for want of room. */
	readonly evicted: number;
}

/** A scheduler object, as `functions/kv-store` calls it. `catalogVersion` as in an AssignRequest. */
export interface KvPort {
	/** Null: the model's catalog has no such replica. */
	kvEvents(
		model: string,
		catalogVersion: number,
		source: EventSource,
		batches: readonly SequencedBatch[],
	): Promise<EventReply | null>;
	/** Those that hold something, the most first. */
	kvLookup(model: string, catalogVersion: number, question: KvQuestion): Promise<readonly HeldRow[]>;
	kvStats(model: string, catalogVersion: number): Promise<KvStats>;
}
