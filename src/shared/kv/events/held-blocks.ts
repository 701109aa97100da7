import { BlockTable, grown, key, mixKey } from "./block-table.ts";
import { TIERS } from "./event.ts";
import { TOKEN_BLOCK } from "./token-chain.ts";

const COUNT_MAX = 255;
const TIERS_LENGTH = TIERS.length;

/** How many tokens of a prompt's start a holder has. */
export interface HeldPrefix {
	/** In its tiers together. */
	readonly tokens: number;
	/** In each tier alone, in the order of TIERS. */
	readonly tiers: readonly number[];
}

/** Which token blocks a holder has, in which tiers, and under how many of the engine's hashes. */
export class HeldBlocks {
	readonly #table: BlockTable;
	#counts: Uint8Array;

	constructor(blocksMax: number) {
		this.#table = new BlockTable(blocksMax);
		this.#counts = new Uint8Array(TIERS_LENGTH * this.#table.slots);
	}

	/** Entries, each a block of a holder. */
	get size(): number {
		return this.#table.size;
	}

	/** There must be room: at most one entry is made for each of the caller's own, which are bounded alike. */
	add(holder: number, lo: number, hi: number, tier: number): void {
		mixKey(lo, hi, holder);
		let slot = this.#table.find(key.lo, key.hi);
		if (slot < 0) {
			slot = this.#table.add(key.lo, key.hi);
			if (this.#counts.length < TIERS_LENGTH * this.#table.slots) {
				this.#counts = grown(this.#counts, new Uint8Array(TIERS_LENGTH * this.#table.slots));
			}
			this.#counts.fill(0, TIERS_LENGTH * slot, TIERS_LENGTH * (slot + 1));
		}
		const at = TIERS_LENGTH * slot + tier;
		if (this.#counts[at]! < COUNT_MAX) this.#counts[at]!++;
	}

	remove(holder: number, lo: number, hi: number, tier: number): void {
		mixKey(lo, hi, holder);
		const slot = this.#table.find(key.lo, key.hi);
		if (slot < 0) return;
		const counts = this.#counts;
		const at = TIERS_LENGTH * slot;
		if (counts[at + tier]! > 0) counts[at + tier]!--;
		for (let other = 0; other < TIERS_LENGTH; other++) if (counts[at + other]! > 0) return;
		this.#table.remove(slot);
	}

	/** About how many tokens of a chain's start it holds, in its tiers together, in a few looks: found by halving, as if who holds a
	 *  block held those before it. An engine frees blocks from the end of a prompt, so that there are hardly ever gaps; one is
	 *  passed over or not as it comes. */
	extent(holder: number, chain: Uint32Array): number {
		let held = 0;
		let step = 1;
		let end = chain.length >> 1;
		// What is not held is mostly not held from its first blocks on.
		while (held < end) {
			const next = Math.min(end, held + step) - 1;
			if (this.#holds(holder, chain, next)) {
				held = next + 1;
				step *= 2;
			} else {
				end = next;
				break;
			}
		}
		while (held < end) {
			const middle = (held + end) >> 1;
			if (this.#holds(holder, chain, middle)) held = middle + 1;
			else end = middle;
		}
		return held * TOKEN_BLOCK;
	}

	#holds(holder: number, chain: Uint32Array, block: number): boolean {
		mixKey(chain[2 * block]!, chain[2 * block + 1]!, holder);
		return this.#table.find(key.lo, key.hi) >= 0;
	}

	/** Walks a chain (two words a block) from its start until no tier goes on. */
	match(holder: number, chain: Uint32Array): HeldPrefix {
		const tiers = TIERS.map(() => 0);
		let tokens = 0;
		for (let at = 0; at + 1 < chain.length; at += 2) {
			mixKey(chain[at]!, chain[at + 1]!, holder);
			const slot = this.#table.find(key.lo, key.hi);
			if (slot < 0) break;
			for (let tier = 0; tier < TIERS_LENGTH; tier++) {
				if (tiers[tier] === tokens && this.#counts[TIERS_LENGTH * slot + tier]! > 0) tiers[tier]! += TOKEN_BLOCK;
			}
			tokens += TOKEN_BLOCK;
		}
		return { tokens, tiers };
	}
}
