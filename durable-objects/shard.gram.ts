import { encodedBytes } from "../src/shared/federated/encoding.ts";
import { rowCount } from "../src/shared/federated/shard-plan.ts";
import { ROW_PARAMETERS } from "../src/shared/federated/sizes.ts";
import type { ShardGramStore } from "./shard.gram.store.ts";
import type { ShardPlace, Slice } from "./shard.messages.ts";
import type { ShardStagingStore } from "./shard.staging.store.ts";
import { Unmakable, updateRows } from "./shard.update-rows.ts";

/** Bytes that are read, and products that are added, before others get their turn: some 50 ms. One row at least. */
const SLICE_BYTES = 32 * 2 ** 20;
const SLICE_PRODUCTS = 2 ** 26;

/** Sums inner products of updates row by row: all of the sums so far and the count of rows in them are written in one transaction, so
 *  that whatever happens no row is in them twice, and they are summed in order. */
export class ShardGram {
	readonly #staging: ShardStagingStore;
	readonly #grams: ShardGramStore;

	constructor(staging: ShardStagingStore, grams: ShardGramStore) {
		this.#staging = staging;
		this.#grams = grams;
	}

	/** One slice of work; null when there is none. */
	async slice(place: ShardPlace): Promise<Slice | null> {
		if (!this.#grams.summing()) return null;
		// Loaded when it is needed: most rules need no inner products.
		const { addGramRow } = await import("../src/shared/federated/gram-row.ts");
		const summing = this.#grams.summing();
		if (!summing) return null;
		const { version, attempt, updates, rowsSummed, products } = summing;
		const rows = rowCount(place);
		const pairs = (updates.length * (updates.length + 1)) / 2;
		try {
			let row = rowsSummed;
			for (let read = 0, added = 0; row < rows && read < SLICE_BYTES && added < SLICE_PRODUCTS; row++) {
				const first = place.begin + row * ROW_PARAMETERS;
				const length = Math.min(place.end, first + ROW_PARAMETERS) - first;
				addGramRow(products, updateRows(this.#staging, updates, { first, length }, true), length);
				read += updates.reduce((bytes, { encoding }) => bytes + encodedBytes(encoding, length), 0);
				added += pairs * length;
			}
			this.#grams.put(summing, row, rows);
		} catch (error) {
			if (!(error instanceof Unmakable)) throw error;
			this.#grams.fail(summing, error.message);
		}
		const { state } = this.#grams.progress(version, attempt, rows);
		return { of: "gram", version, attempt, ended: state !== "summing" };
	}
}
