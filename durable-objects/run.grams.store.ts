import type { FlushContext, Gram } from "../src/shared/federated/rules/rule.ts";

/** Flushes whose rule sees the inner products of its updates: what it may know of the run beside, fixed when they were frozen, and the
 *  products as each shard has summed them. */
export class RunGramsStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	begin(version: number, context: FlushContext): void {
		this.remove(version);
		this.#sql.exec("INSERT INTO grams VALUES (?, ?)", version, JSON.stringify(context));
	}

	context(version: number): FlushContext {
		const sql = "SELECT context FROM grams WHERE version = ?";
		return JSON.parse(this.#sql.exec<{ context: string }>(sql, version).one().context) as FlushContext;
	}

	/** Notes a shard's sums. */
	put(version: number, shard: number, products: Float64Array): void {
		const bytes = new Uint8Array(products.buffer, products.byteOffset, products.byteLength);
		this.#sql.exec("INSERT OR REPLACE INTO gram_shards VALUES (?, ?, ?)", version, shard, bytes);
	}

	shards(version: number): ReadonlySet<number> {
		const rows = this.#sql.exec<{ shard: number }>("SELECT shard FROM gram_shards WHERE version = ?", version);
		return new Set(rows.toArray().map(({ shard }) => shard));
	}

	/** The inner products of n updates over the whole model: the shards' sums, added in the order of the shards. */
	gram(version: number, n: number): Gram {
		const products = new Float64Array(n * n);
		const sql = "SELECT products FROM gram_shards WHERE version = ? ORDER BY shard";
		for (const row of this.#sql.exec<{ products: ArrayBuffer }>(sql, version)) {
			const own = new Float64Array(row.products);
			if (own.length !== products.length) throw new Error(`a shard has summed ${own.length} products, not ${n} x ${n}`);
			for (let i = 0; i < products.length; i++) products[i] = products[i]! + own[i]!;
		}
		return { n, products };
	}

	remove(version: number): void {
		this.#sql.exec("DELETE FROM grams WHERE version = ?", version);
		this.#sql.exec("DELETE FROM gram_shards WHERE version = ?", version);
	}
}
