import type { BlockChain } from "./block-chain.ts";

/** Is told what enters and leaves a cache, as vLLM's block pool tells its KV events. */
export interface CacheObserver {
	/** Block `index` of the chain is cached now. */
	stored(chain: BlockChain, index: number): void;
	removed(hash: number): void;
	/** All that was cached is gone. */
	cleared(): void;
}

/** The blocks that one sequence holds: `shared` leading ones that are cached under a hash, the rest its own. */
export interface Lease {
	shared: number;
	own: number;
}

/** KV memory in blocks with automatic prefix caching as in vLLM: full blocks are shared by hash; a block that no sequence
 *  holds stays cached until its place is needed, least recently used first and the end of a prefix before its start. */
export class PrefixCache {
	readonly #capacity: number;
	readonly #observer: CacheObserver | null;
	/** Sequences that hold a cached block; zero while it is only kept. */
	readonly #holders = new Map<number, number>();
	/** Cached blocks that nobody holds, least recently used first. */
	readonly #idle = new Set<number>();
	#held = 0;

	constructor(capacityBlocks: number, observer: CacheObserver | null = null) {
		this.#capacity = capacityBlocks;
		this.#observer = observer;
	}

	/** The share of blocks that sequences hold; blocks which are merely cached count as free, as in vLLM's gauge. */
	get usage(): number {
		return this.#held / this.#capacity;
	}

	get cachedBlocks(): number {
		return this.#holders.size;
	}

	/** How many leading blocks of the chain are cached. */
	matching(hashes: readonly number[], limit: number): number {
		let count = 0;
		while (count < limit && count < hashes.length && this.#holders.has(hashes[count]!)) count++;
		return count;
	}

	/** A lease of `total` blocks whose first `matched` are cached ones, or null when there is no room for it. */
	take(hashes: readonly number[], matched: number, total: number): Lease | null {
		let awakened = 0;
		for (let i = 0; i < matched; i++) if (this.#idle.has(hashes[i]!)) awakened++;
		if (this.#held + awakened + total - matched > this.#capacity) return null;
		for (let i = 0; i < matched; i++) this.#hold(hashes[i]!);
		const lease = { shared: matched, own: 0 };
		this.grow(lease, total - matched);
		return lease;
	}

	/** Adds blocks of its own to a lease; false, and nothing is changed, when there is no room. */
	grow(lease: Lease, blocks: number): boolean {
		if (this.#held + blocks > this.#capacity) return false;
		this.#held += blocks;
		lease.own += blocks;
		this.#evict();
		return true;
	}

	/** Caches the first `full` blocks of the lease under their hashes. One that another sequence has cached meanwhile is
	 *  shared with it. */
	publish(lease: Lease, chain: BlockChain, full: number): void {
		for (; lease.shared < full; lease.shared++) {
			const hash = chain.hashes[lease.shared]!;
			lease.own--;
			this.#held--;
			if (!this.#holders.has(hash)) this.#observer?.stored(chain, lease.shared);
			this.#hold(hash);
		}
	}

	release(lease: Lease, hashes: readonly number[]): void {
		for (let i = lease.shared - 1; i >= 0; i--) {
			const hash = hashes[i]!;
			const holders = this.#holders.get(hash)! - 1;
			this.#holders.set(hash, holders);
			if (holders > 0) continue;
			this.#idle.add(hash);
			this.#held--;
		}
		this.#held -= lease.own;
		lease.shared = 0;
		lease.own = 0;
	}

	/** Forgets what no sequence holds. */
	clear(): void {
		const isAll = this.#idle.size === this.#holders.size;
		for (const hash of this.#idle) {
			this.#holders.delete(hash);
			if (!isAll) this.#observer?.removed(hash);
		}
		this.#idle.clear();
		if (isAll) this.#observer?.cleared();
	}

	#hold(hash: number): void {
		const holders = this.#holders.get(hash) ?? 0;
		this.#holders.set(hash, holders + 1);
		if (holders > 0) return;
		this.#idle.delete(hash);
		this.#held++;
	}

	#evict(): void {
		for (const hash of this.#idle) {
			if (this.#held + this.#idle.size <= this.#capacity) return;
			this.#idle.delete(hash);
			this.#holders.delete(hash);
			this.#observer?.removed(hash);
		}
	}
}
