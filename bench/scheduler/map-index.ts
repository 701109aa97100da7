/** The index as gateways commonly keep it without engine events (llm-d's approximate prefix scorer): for every replica a map
 *  of block hashes in the order of their use, and a look-up that walks the chain once a replica. JavaScript's Map keeps that
 *  order by itself. Keys are the 53 bits that a number holds. */
export class MapIndex {
	readonly #replicas: Map<number, true>[];
	readonly #capacity: number;

	constructor(replicas: number, capacity: number) {
		this.#replicas = Array.from({ length: replicas }, () => new Map());
		this.#capacity = capacity;
	}

	get size(): number {
		return this.#replicas.reduce((sum, blocks) => sum + blocks.size, 0);
	}

	match(chain: Uint32Array, held: Int32Array): number {
		let longest = 0;
		this.#replicas.forEach((blocks, replica) => {
			let block = 0;
			while (2 * block < chain.length && blocks.has(keyOf(chain, block))) block++;
			held[replica] = block;
			longest = Math.max(longest, block);
		});
		return longest;
	}

	insert(replica: number, chain: Uint32Array): void {
		const blocks = this.#replicas[replica]!;
		for (let block = chain.length / 2 - 1; block >= 0; block--) {
			const key = keyOf(chain, block);
			blocks.delete(key);
			blocks.set(key, true);
		}
		for (const oldest of blocks.keys()) {
			if (blocks.size <= this.#capacity) break;
			blocks.delete(oldest);
		}
	}
}

function keyOf(chain: Uint32Array, block: number): number {
	return chain[2 * block]! + (chain[2 * block + 1]! & 0x1f_ffff) * 2 ** 32;
}
