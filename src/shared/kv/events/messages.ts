/** What crosses between `functions/kv-store` and the scheduler object that keeps the state. */
import type { ReplicaName } from "../../scheduler/messages.ts";
import type { Tokens } from "../../units.ts";
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

export interface HeldByRank {
	readonly replica: ReplicaName;
	readonly dp_rank: number;
	/** Tokens of the prompt's start that it holds, in its tiers together. */
	readonly tokens: Tokens;
	/** In each tier alone; tiers with none are left out. */
	readonly tiers: Partial<Readonly<Record<Tier, Tokens>>>;
}

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
	/** `chain`: `tokenChain` of the prompt. Those that hold something, the most first. */
	kvLookup(model: string, catalogVersion: number, chain: Uint32Array): Promise<readonly HeldByRank[]>;
	kvStats(model: string, catalogVersion: number): Promise<KvStats>;
}
