import type { ReplicaName } from "../../scheduler/messages.ts";
import type { Seconds, Tokens } from "../../units.ts";
import { EngineBlocks, type Holder } from "./engine-blocks.ts";
import { EngineCapacities, type OnCapacity } from "./engine-capacities.ts";
import { TIERS, type EventBatch, type SequencedBatch, type Tier } from "./event.ts";
import { judge, replayFrom, STREAM_START, type StreamPosition } from "./event-stream.ts";
import type { EventReply, EventSource, HeldByRank, KvStats, RankStats } from "./messages.ts";
import { TOKEN_BLOCK } from "./token-chain.ts";

const GPU = TIERS.indexOf("GPU");
/** Publishers at once; the one not heard of for longest is forgotten. */
const STREAMS_MAX = 8_192;

interface Stream {
	readonly replica: ReplicaName;
	readonly rank: number;
	topic: string | null;
	position: StreamPosition;
	holder: Holder;
	/** It was read from where its engine held nothing: it tells all that there is. */
	whole: boolean;
	batches: number;
	duplicates: number;
	gaps: number;
	resets: number;
	clears: number;
	orphans: number;
}

export interface EngineEventsOptions {
	/** Blocks of 16 tokens that are remembered over all replicas; 60 bytes each. */
	readonly blocksMax: number;
	/** The cache of a replica is empty from now: it restarted, or was cleared. */
	readonly onEmptied?: (replica: ReplicaName) => void;
	readonly onCapacity?: OnCapacity;
}

/** What the engines of one model hold, as their own events tell it. Lives in memory alone: after it is lost the next batch
 *  shows a gap from the start, and is replayed. No batch, in whatever order, can make it wrong for longer than until the next
 *  reset; what is missing is asked for. */
export class EngineEvents {
	readonly #blocks: EngineBlocks;
	readonly #blocksMax: number;
	readonly #onEmptied: (replica: ReplicaName) => void;
	readonly #capacities: EngineCapacities;
	/** By replica and rank, not heard of for longest first. */
	readonly #streams = new Map<string, Stream>();

	constructor({ blocksMax, onEmptied = () => {}, onCapacity = () => {} }: EngineEventsOptions) {
		this.#blocks = new EngineBlocks(blocksMax);
		this.#blocksMax = blocksMax;
		this.#onEmptied = onEmptied;
		this.#capacities = new EngineCapacities(onCapacity);
	}

	/** Batches of one publisher, in the order in which they were sent. At a gap the rest is left alone and asked for again. */
	accept(source: EventSource, batches: readonly SequencedBatch[]): EventReply {
		const stream = this.#stream(source);
		const before = { ...stream };
		let unknown = 0;
		let gap = false;
		for (const { seq, lost, batch } of batches) {
			const verdict = judge(stream.position, seq, batch.ts, lost);
			if (verdict === "duplicate") {
				stream.duplicates++;
				continue;
			}
			const isRestart = verdict === "restarted" || verdict === "restarted_gap";
			if (isRestart || verdict === "start_over") this.#reset(stream);
			if (isRestart) this.#onEmptied(stream.replica);
			if (verdict === "gap" || verdict === "restarted_gap") {
				stream.gaps++;
				gap = true;
				break;
			}
			// The first of a life.
			if (seq === 0) stream.whole = true;
			this.#apply(stream, batch);
			unknown += batch.unknown;
			stream.position = { next: seq + 1, lastTs: batch.ts };
		}
		return {
			next: stream.position.next,
			replay_from: gap ? replayFrom(stream.position) : null,
			applied: stream.batches - before.batches,
			duplicates: stream.duplicates - before.duplicates,
			resets: stream.resets - before.resets,
			clears: stream.clears - before.clears,
			unknown,
		};
	}

	/** The replicas that send events. */
	get replicas(): ReadonlySet<ReplicaName> {
		return new Set([...this.#streams.values()].map(({ replica }) => replica));
	}

	/** Who holds how much of a prompt's start (`tokenChain`, which may differ by replica), the most first; those that hold
	 *  nothing are left out. */
	lookup(chainFor: (replica: ReplicaName) => Uint32Array): HeldByRank[] {
		const rows: HeldByRank[] = [];
		for (const { replica, rank, holder } of this.#streams.values()) {
			const { tokens, tiers } = this.#blocks.match(holder, chainFor(replica));
			if (tokens > 0) rows.push({ replica, dp_rank: rank, tokens, tiers: byTier(tiers) });
		}
		return rows.sort(mostFirst);
	}

	/** The same for a choice among them, where exactness is worth less than time: how much each replica's fullest rank holds, in
	 *  steps that grow with the logarithm of the chain. */
	extents(chainFor: (replica: ReplicaName) => Uint32Array): Map<ReplicaName, Tokens> {
		const most = new Map<ReplicaName, Tokens>();
		for (const { replica, holder } of this.#streams.values()) {
			const tokens = holder.entries > 0 ? this.#blocks.extent(holder, chainFor(replica)) : 0;
			if (tokens > (most.get(replica) ?? 0)) most.set(replica, tokens);
		}
		return most;
	}

	/** Forgets what a replica holds, and where its sequences stand: it restarted, or is gone. `startedAt`: when the life began that
	 *  it is in, Unix seconds; what its events have told since stays. */
	forget(replica: ReplicaName, startedAt: Seconds | null = null): void {
		for (const [name, stream] of this.#streams) {
			const { lastTs } = stream.position;
			const isOld = startedAt === null || lastTs === null || lastTs < startedAt;
			if (stream.replica === replica && isOld) this.#remove(name, stream);
		}
	}

	/** Forgets every replica that `known` does not know. */
	keep(known: (replica: ReplicaName) => boolean): void {
		for (const [name, stream] of this.#streams) if (!known(stream.replica)) this.#remove(name, stream);
	}

	stats(): KvStats {
		const ranks = [...this.#streams.values()].map((stream): RankStats => {
			const { replica, rank, topic, position, holder, batches, duplicates, gaps, resets, clears } = stream;
			return {
				replica,
				dp_rank: rank,
				topic,
				next: position.next,
				last_ts: position.lastTs,
				tokens: byTier(holder.blocks.map((blocks) => blocks * TOKEN_BLOCK)),
				batches,
				duplicates,
				gaps,
				resets,
				clears,
				orphans: stream.orphans + holder.orphans,
			};
		});
		return {
			ranks,
			entries: this.#blocks.size,
			entries_max: this.#blocksMax,
			evicted: this.#blocks.evicted,
		};
	}

	#stream({ replica, rank, topic }: EventSource): Stream {
		const name = `${rank} ${replica}`;
		let stream = this.#streams.get(name);
		if (stream) this.#streams.delete(name);
		else {
			if (this.#streams.size >= STREAMS_MAX) {
				const [oldest] = this.#streams;
				if (oldest) this.#remove(...oldest);
			}
			const counts = { batches: 0, duplicates: 0, gaps: 0, resets: 0, clears: 0, orphans: 0 };
			const holder = this.#blocks.open();
			stream = { replica, rank, topic, position: STREAM_START, holder, whole: false, ...counts };
		}
		stream.topic = topic ?? stream.topic;
		this.#streams.set(name, stream);
		return stream;
	}

	#apply(stream: Stream, { events }: EventBatch): void {
		stream.batches++;
		const { replica } = stream;
		let evicts = false;
		for (const event of events) {
			if (event.kind === "stored") this.#blocks.store(stream.holder, event);
			else if (event.kind === "removed") {
				// What was never known to be there says nothing of what is left.
				if (this.#blocks.remove(stream.holder, event) > 0) evicts ||= event.tier === GPU;
			} else {
				stream.clears++;
				this.#empty(stream);
				stream.whole = true;
				this.#onEmptied(replica);
				evicts = false;
			}
		}
		if (evicts || this.#capacities.has(replica)) this.#capacities.sees(replica, this.#onGpu(replica), evicts);
	}

	/** Null where not all that the replica holds is known. */
	#onGpu(replica: ReplicaName): Tokens | null {
		let blocks = 0;
		for (const { replica: other, whole, holder } of this.#streams.values()) {
			if (other !== replica) continue;
			if (!whole || holder.orphans > 0 || holder.dropped > 0) return null;
			blocks += holder.blocks[GPU] ?? 0;
		}
		return blocks * TOKEN_BLOCK;
	}

	#reset(stream: Stream): void {
		// A stream that nothing was read of has nothing to forget.
		if (stream.position.lastTs !== null) stream.resets++;
		stream.position = STREAM_START;
		stream.whole = false;
		this.#empty(stream);
	}

	#empty(stream: Stream): void {
		stream.orphans += stream.holder.orphans;
		stream.holder.orphans = 0;
		stream.holder.dropped = 0;
		this.#capacities.forget(stream.replica);
		if (stream.holder.entries === 0) return;
		this.#blocks.close(stream.holder);
		stream.holder = this.#blocks.open();
	}

	#remove(name: string, stream: Stream): void {
		this.#streams.delete(name);
		this.#blocks.close(stream.holder);
		this.#capacities.forget(stream.replica);
	}
}

/** Equal ones by name, so that an answer does not depend on who was heard of last. */
function mostFirst(a: HeldByRank, b: HeldByRank): number {
	if (a.tokens !== b.tokens) return b.tokens - a.tokens;
	if (a.replica === b.replica) return a.dp_rank - b.dp_rank;
	return a.replica < b.replica ? -1 : 1;
}

function byTier(values: readonly number[]): Partial<Record<Tier, Tokens>> {
	return Object.fromEntries(TIERS.flatMap((tier, index) => (values[index]! > 0 ? [[tier, values[index]!]] : [])));
}
