import type { ReplicaName } from "../scheduler/messages.ts";
import type { Seconds, Tokens } from "../units.ts";
import { CacheBelief } from "./cache-belief.ts";
import { newCacheSums, type CacheSums } from "./cache-sums.ts";
import { SLOTS_MAX } from "./entry-table.ts";
import { PREFIX_LIMITS } from "./prefix-chain.ts";
import { PrefixIndex, type SlotStatistics } from "./prefix-index.ts";

/** What is known of one replica's KV cache. */
export interface ReplicaCache {
	readonly name: ReplicaName;
	readonly baseUrl: string;
	/** Its number in the index. */
	readonly slot: number;
	/** Tokens that its hardware suggests it holds. */
	kvTokens: Tokens;
	/** Tokens that it can hold, by its engine's own evictions; null where they tell nothing. */
	evictsAt: Tokens | null;
	/** When its engine last sent events, and when an answer last came of which it computed a part; -Infinity: never. */
	heardAt: Seconds;
	answeredAt: Seconds;
	/** It was emptied: what was stored of it before is gone. */
	emptied: boolean;
	readonly belief: CacheBelief;
	readonly sums: CacheSums;
}

export interface CacheEntry {
	readonly name: ReplicaName;
	readonly baseUrl: string;
	readonly kvTokens: Tokens;
	/** Of an earlier life: `belief.snapshot()`. */
	readonly stored?: readonly number[] | undefined;
}

/** How a prefix was found when its request was assigned, in blocks. */
export interface PrefixMatch {
	/** The longest that any replica holds. */
	readonly possible: number;
	/** What the chosen replica holds, blocks included that others in flight there are yet to compute. */
	readonly predicted: number;
	/** Of these, what it is known to hold. */
	readonly confirmed: number;
}

/** Part of what one replica holds, for storage. */
export interface StoredPrefixes {
	readonly replica: ReplicaName;
	readonly baseUrl: string;
	/** Numbered from 0; the newest blocks first. */
	readonly parts: readonly Uint32Array<ArrayBuffer>[];
}

export interface CacheStatistics extends SlotStatistics, CacheSums {
	readonly replica: ReplicaName;
	/** Factor on the capacity that the hardware suggests. */
	readonly scale: number;
	/** Share of the predicted tokens that really hit. */
	readonly trust: number;
}

/** More replicas than this have no place in the index; they are served without it. */
const SLOTS = Math.min(SLOTS_MAX, 1_024);
/** Two words a block: a part is half a megabyte. */
const PART_BLOCKS = 65_536;
const BYTES_PER_TOKEN_PRIOR = 4;

/** The prefixes that the replicas of one scheduler hold, by name instead of number, each at the capacity that is believed
 *  of it. A replica is the same only while it stays at its URL. */
export class ReplicaCaches {
	readonly #index: PrefixIndex;
	readonly #byName = new Map<ReplicaName, ReplicaCache>();
	readonly #free: number[] = [];
	#slotsUsed = 0;
	#held = new Int32Array(64);
	/** Of each replica's cache, what is filled by what this scheduler sends there. */
	#share = 1;
	#blocksPerToken = BYTES_PER_TOKEN_PRIOR / PREFIX_LIMITS.blockBytes;

	constructor(bytesMax: number) {
		this.#index = new PrefixIndex({ slots: SLOTS, bytesMax });
	}

	/** Memory allocated now, and blocks held. */
	get bytes(): number {
		return this.#index.bytes;
	}

	get size(): number {
		return this.#index.size;
	}

	get(name: ReplicaName): ReplicaCache | undefined {
		return this.#byName.get(name);
	}

	/** Takes over the replicas there are. One that is gone or moved is forgotten, one that is new holds nothing. `share`: of their
	 *  caches, in (0, 1]; others fill the rest. */
	configure(entries: readonly CacheEntry[], share = 1): void {
		this.#share = share;
		const urls = new Map(entries.map(({ name, baseUrl }) => [name, baseUrl]));
		for (const cache of this.#byName.values()) {
			if (urls.get(cache.name) === cache.baseUrl) continue;
			this.#index.release(cache.slot);
			this.#free.push(cache.slot);
			this.#byName.delete(cache.name);
		}
		for (const { name, baseUrl, kvTokens, stored } of entries) {
			let cache = this.#byName.get(name);
			if (!cache) {
				const slot = this.#free.pop() ?? (this.#slotsUsed < SLOTS ? this.#slotsUsed++ : -1);
				if (slot < 0) continue;
				cache = {
					name,
					baseUrl,
					slot,
					kvTokens,
					evictsAt: null,
					heardAt: -Infinity,
					answeredAt: -Infinity,
					emptied: false,
					belief: new CacheBelief(stored),
					sums: newCacheSums(),
				};
				this.#byName.set(name, cache);
			}
			cache.kvTokens = kvTokens;
			this.#fit(cache);
		}
		while (this.#held.length < this.#slotsUsed) this.#held = new Int32Array(2 * this.#held.length);
	}

	/** Looks a chain up for all replicas at once; `held` tells of each until the next `match`. The longest of them. */
	match(chain: Uint32Array): number {
		return this.#index.match(chain, this.#held);
	}

	/** Blocks from the beginning of the chain that was last asked for. */
	held(cache: ReplicaCache): number {
		return this.#held[cache.slot]!;
	}

	/** A request with this chain was sent to the replica: it will hold it, unless that is taken back. */
	expect(cache: ReplicaCache, chain: Uint32Array, possible: number): PrefixMatch {
		const predicted = this.#index.insert(cache.slot, chain, false);
		return { possible: Math.max(possible, predicted), predicted, confirmed: this.#index.confirmedBefore };
	}

	/** It came to nothing: of the chain remains what was there before. */
	takeBack(cache: ReplicaCache, chain: Uint32Array, { predicted }: PrefixMatch): void {
		this.#index.retract(cache.slot, chain, predicted);
	}

	/** The replica has computed the chain. */
	confirm(cache: ReplicaCache, chain: Uint32Array): void {
		this.#index.insert(cache.slot, chain, true);
	}

	/** The same, when the answer told how much it hit. Blocks hold `perBlock` tokens of this prompt of `prompt` tokens. */
	answered(
		cache: ReplicaCache,
		chain: Uint32Array,
		found: PrefixMatch,
		seen: { readonly perBlock: Tokens; readonly prompt: Tokens; readonly cached: Tokens | null },
	): void {
		const { perBlock, prompt, cached } = seen;
		if (cached === null) {
			cache.sums.unreported++;
			this.confirm(cache, chain);
			return;
		}
		const tokens = (blocks: number): Tokens => Math.min(prompt, Math.floor(blocks * perBlock));
		const { sums, belief } = cache;
		sums.answers++;
		sums.prompt += prompt;
		sums.possible += tokens(found.possible);
		sums.predicted += tokens(found.predicted);
		sums.actual += Math.min(prompt, cached);
		const scale = belief.scale;
		const verdict = belief.observe({
			confirmed: tokens(found.confirmed),
			predicted: tokens(found.predicted),
			actual: cached,
		});
		if (verdict === "gone") this.#empty(cache);
		// Computed again and again, it does not stay there.
		const stays = verdict === "short" ? chain.subarray(0, 2 * Math.ceil(cached / perBlock)) : chain;
		this.#index.truncate(cache.slot, chain, stays.length / 2);
		this.confirm(cache, stays);
		if (belief.scale !== scale) this.#fit(cache);
	}

	/** The replica restarted: it holds nothing. */
	forget(cache: ReplicaCache): void {
		this.#empty(cache);
		cache.belief.forgive();
		this.holdsAtMost(cache, null);
	}

	/** Its engine tells that it can hold so many tokens: that is its capacity, whatever was believed. Null: it tells nothing. */
	holdsAtMost(cache: ReplicaCache, tokens: Tokens | null): void {
		cache.evictsAt = tokens;
		this.#fit(cache);
	}

	/** Blocks that hold a token's share of the prompts as they are now. Capacities follow when it has moved by a tenth. */
	calibrate(blocksPerToken: number): void {
		if (Math.abs(blocksPerToken / this.#blocksPerToken - 1) < 0.1) return;
		this.#blocksPerToken = blocksPerToken;
		for (const cache of this.#byName.values()) this.#fit(cache);
	}

	/** Replicas of which at least so many blocks changed since they were last stored, the most changed first. */
	changed(blocksMin = 1): ReplicaName[] {
		return [...this.#byName.values()]
			.map(({ name, slot }) => ({ name, changes: this.#index.changes(slot) }))
			.filter(({ changes }) => changes >= blocksMin)
			.sort((a, b) => b.changes - a.changes)
			.map(({ name }) => name);
	}

	/** All that the replica holds, for storage in rows of half a megabyte. */
	snapshot(cache: ReplicaCache): StoredPrefixes {
		const { name, baseUrl, slot } = cache;
		return { replica: name, baseUrl, parts: this.#index.snapshot(slot, PART_BLOCKS) };
	}

	/** There will be so many blocks to restore. */
	reserve(blocks: number): void {
		this.#index.reserve(blocks);
	}

	/** Takes a stored part back, or a piece of it, the newest first. False when the replica is no longer the one it was stored of, or
	 *  was emptied since. */
	restore(replica: ReplicaName, baseUrl: string, part: Uint32Array): boolean {
		const cache = this.#byName.get(replica);
		if (cache?.baseUrl !== baseUrl || cache.emptied) return false;
		this.#index.restore(cache.slot, part);
		return true;
	}

	statistics(): CacheStatistics[] {
		return [...this.#byName.values()].map(({ name, slot, belief, sums }) => ({
			replica: name,
			...this.#index.statistics(slot),
			...sums,
			scale: belief.scale,
			trust: belief.trust,
		}));
	}

	#empty(cache: ReplicaCache): void {
		this.#index.clear(cache.slot);
		cache.emptied = true;
	}

	#fit({ slot, kvTokens, evictsAt, belief }: ReplicaCache): void {
		const tokens = (evictsAt ?? kvTokens * belief.scale) * this.#share;
		this.#index.setCapacity(slot, Math.ceil(tokens * this.#blocksPerToken));
	}
}
