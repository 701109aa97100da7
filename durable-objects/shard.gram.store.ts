import type { GramProgress, GramUpdate } from "./shard.messages.ts";

type GramRow = {
	version: number;
	attempt: number;
	state: "summing" | "summed" | "failed" | "dropped";
	updates: string;
	next_row: number;
	fault: string | null;
	products: ArrayBuffer;
};

/** Inner products that are being summed, and how many rows are in them. */
export interface Summing {
	readonly version: number;
	readonly attempt: number;
	readonly updates: readonly GramUpdate[];
	readonly rowsSummed: number;
	/** Row-major n x n. */
	readonly products: Float64Array<ArrayBuffer>;
}

/** Inner products of the updates of flushes, one row of the table for each, 8 n^2 bytes. */
export class ShardGramStore {
	readonly #storage: DurableObjectStorage;
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#storage = storage;
		this.#sql = storage.sql;
	}

	/** Notes what is to be summed, unless it is known. A later attempt takes the place of an earlier one. */
	begin(version: number, attempt: number, updates: readonly GramUpdate[]): void {
		const known = this.#row(version);
		if (known && known.attempt >= attempt) return;
		const products = new Float64Array(updates.length ** 2);
		const sql = "INSERT OR REPLACE INTO grams VALUES (?, ?, 'summing', ?, 0, NULL, ?)";
		this.#sql.exec(sql, version, attempt, JSON.stringify(updates), products.buffer);
	}

	/** What to work on next. */
	summing(): Summing | null {
		const [row] = this.#sql.exec<GramRow>("SELECT * FROM grams WHERE state = 'summing' ORDER BY version LIMIT 1");
		if (!row) return null;
		const { version, attempt, next_row: rowsSummed } = row;
		const updates = JSON.parse(row.updates) as GramUpdate[];
		return { version, attempt, updates, rowsSummed, products: new Float64Array(row.products) };
	}

	progress(version: number, attempt: number, rows: number): GramProgress {
		const row = this.#row(version);
		if (!row || row.attempt !== attempt || row.state === "dropped") return { state: "unknown" };
		if (row.state === "failed") return { state: "failed", fault: row.fault ?? "" };
		if (row.state === "summing") return { state: "summing", rowsLeft: rows - row.next_row };
		return { state: "summed", products: new Float64Array(row.products) };
	}

	/** The sums over so many rows in the place of those over fewer, in one step with their count: all or nothing of it. Nothing is
	 *  written when others have come first. */
	put({ version, attempt, rowsSummed, products }: Summing, rowsNow: number, rows: number): void {
		this.#storage.transactionSync(() => {
			const now = this.#row(version);
			if (now?.state !== "summing" || now.attempt !== attempt || now.next_row !== rowsSummed) return;
			const sql = "UPDATE grams SET products = ?, next_row = ?, state = ? WHERE version = ?";
			this.#sql.exec(sql, products.buffer, rowsNow, rowsNow === rows ? "summed" : "summing", version);
		});
	}

	fail({ version, attempt }: Summing, fault: string): void {
		const sql = "UPDATE grams SET state = 'failed', fault = ? WHERE version = ? AND attempt = ? AND state = 'summing'";
		this.#sql.exec(sql, fault, version, attempt);
	}

	/** Gives up an attempt. Its row stays, so that it is not begun again. */
	drop(version: number, attempt: number): void {
		const sql = "UPDATE grams SET state = 'dropped', updates = '[]', products = x'' WHERE version = ? AND attempt = ?";
		this.#sql.exec(sql, version, attempt);
	}

	/** Forgets all up to a version. */
	remove(version: number): void {
		this.#sql.exec("DELETE FROM grams WHERE version <= ?", version);
	}

	#row(version: number): GramRow | undefined {
		const [row] = this.#sql.exec<GramRow>("SELECT * FROM grams WHERE version = ?", version);
		return row;
	}
}
