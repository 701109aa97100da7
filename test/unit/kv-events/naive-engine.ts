import { writeBlockId } from "../../../src/shared/kv/events/block-id.ts";
import { TIERS, type BlocksStored, type KvEvent } from "../../../src/shared/kv/events/event.ts";
import { TOKEN_BLOCK } from "../../../src/shared/kv/events/token-chain.ts";

interface Block {
	/** All tokens from the prompt's start to the block's end. */
	readonly prefix: readonly number[];
	readonly lora: string | null;
	/** Where the block begins. */
	readonly from: number;
	readonly tiers: Set<number>;
}

export function idsOf(hashes: readonly number[]): Uint32Array {
	const ids = new Uint32Array(2 * hashes.length);
	for (const [index, hash] of hashes.entries()) writeBlockId(hash, ids, 2 * index);
	return ids;
}

/** Keeps every block with its whole prefix, and finds by comparing tokens. */
export class NaiveEngine {
	readonly #blocks = new Map<string, Block>();

	apply(event: KvEvent): void {
		if (event.kind === "cleared") this.#blocks.clear();
		else if (event.kind === "removed") {
			for (const name of names(event.ids)) {
				const block = this.#blocks.get(name);
				block?.tiers.delete(event.tier);
				if (block?.tiers.size === 0) this.#blocks.delete(name);
			}
		} else this.#store(event);
	}

	#store({ ids, parent, tokens, blockSize, tier, lora }: BlocksStored): void {
		if (tokens.length === 0) {
			for (const name of names(ids)) this.#blocks.get(name)?.tiers.add(tier);
			return;
		}
		const before = parent ? this.#blocks.get(names(parent)[0]!) : { prefix: [], lora };
		if (!before) return;
		let { prefix } = before;
		for (const [index, name] of names(ids).entries()) {
			const from = prefix.length;
			prefix = [...prefix, ...tokens.slice(index * blockSize, (index + 1) * blockSize)];
			const known = this.#blocks.get(name);
			if (known?.prefix.join() === prefix.join() && known.lora === before.lora) known.tiers.add(tier);
			else this.#blocks.set(name, { prefix, lora: before.lora, from, tiers: new Set([tier]) });
		}
	}

	/** Tokens held of a prompt's start, in the tiers together and in each alone. */
	match(prompt: readonly number[], lora: string | null): { tokens: number; tiers: number[] } {
		return {
			tokens: this.#run(prompt, lora, () => true),
			tiers: TIERS.map((_, tier) => this.#run(prompt, lora, (block) => block.tiers.has(tier))),
		};
	}

	#run(prompt: readonly number[], lora: string | null, counts: (block: Block) => boolean): number {
		let held = 0;
		for (let end = TOKEN_BLOCK; end <= prompt.length; end += TOKEN_BLOCK) {
			const start = prompt.slice(0, end).join();
			const isHeld = [...this.#blocks.values()].some(
				(block) =>
					counts(block) &&
					block.lora === lora &&
					block.from < end &&
					block.prefix.length >= end &&
					block.prefix.slice(0, end).join() === start,
			);
			if (!isHeld) return held;
			held = end;
		}
		return held;
	}

	/** The longest prompts of which it holds something. */
	prompts(): { readonly prompt: readonly number[]; readonly lora: string | null }[] {
		return [...this.#blocks.values()].map(({ prefix, lora }) => ({ prompt: prefix, lora }));
	}
}

function names(ids: Uint32Array): string[] {
	return Array.from({ length: ids.length / 2 }, (_, index) => `${ids[2 * index]}.${ids[2 * index + 1]}`);
}
