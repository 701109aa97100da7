import { isSameDigest } from "../src/shared/http/content-digest.ts";
import type { MakingPlan, VersionProgress } from "./shard.messages.ts";

/** Rows of a shard are fewer than this (the 10 GB of an object are 9,537 rows of weights), so a row's id is its version times this
 *  and its number in the model less the shard's first. */
const ROWS_PER_VERSION = 65_536;
/** Arrays of the optimiser's state: their rows' ids are the weights' times this and the array's number. */
const STATES_MAX = 8;
/** Rows that are deleted in one turn. */
const COLLECTED_ROWS = 64;

type VersionRow = {
	version: number;
	attempt: number;
	state: "making" | "made" | "failed" | "dropped";
	plan: string;
	next_row: number;
	fault: string | null;
};

/** A version that is being made, and how many of its rows are. */
export interface Making {
	readonly version: number;
	readonly attempt: number;
	readonly plan: MakingPlan;
	readonly rowsMade: number;
}

/** The rows of a shard's versions, and of the optimiser's state after each. Rows are counted from the shard's first. */
export class ShardVersionStore {
	readonly #storage: DurableObjectStorage;
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#storage = storage;
		this.#sql = storage.sql;
	}

	state(version: number): VersionRow["state"] | null {
		return this.#row(version)?.state ?? null;
	}

	/** Whether this attempt, or a later one, at a version was begun. */
	isAttempted(version: number, attempt: number): boolean {
		const known = this.#row(version);
		return known !== undefined && known.attempt >= attempt;
	}

	/** Notes what is to be made, unless it is known. A later attempt at a version takes the place of one that failed. */
	begin(version: number, attempt: number, plan: MakingPlan): void {
		if (this.isAttempted(version, attempt)) return;
		this.#sql.exec(
			`INSERT INTO versions VALUES (?1, ?2, 'making', ?3, 0, NULL)
			 ON CONFLICT (version) DO UPDATE SET attempt = ?2, state = 'making', plan = ?3, next_row = 0, fault = NULL`,
			version,
			attempt,
			JSON.stringify(plan),
		);
	}

	/** The version to work on next. Initial weights come from outside. */
	making(): Making | null {
		const [row] = this.#sql.exec<VersionRow>(
			"SELECT * FROM versions WHERE state = 'making' AND version > 0 ORDER BY version LIMIT 1",
		);
		if (!row) return null;
		return { version: row.version, attempt: row.attempt, plan: JSON.parse(row.plan), rowsMade: row.next_row };
	}

	progress(version: number, attempt: number, rows: number): VersionProgress {
		const row = this.#row(version);
		if (!row || row.attempt !== attempt || row.state === "dropped") return { state: "unknown" };
		if (row.state === "failed") return { state: "failed", fault: row.fault ?? "" };
		if (row.state === "making") return { state: "making", rowsLeft: rows - row.next_row };
		const rowDigests = new Uint8Array(rows * 32);
		const range = "SELECT digest FROM weight_rows WHERE id BETWEEN ? AND ? ORDER BY id";
		const first = version * ROWS_PER_VERSION;
		let at = 0;
		for (const { digest } of this.#sql.exec<{ digest: ArrayBuffer }>(range, first, first + rows - 1)) {
			rowDigests.set(new Uint8Array(digest), at);
			at += 32;
		}
		return { state: "made", rowDigests };
	}

	weights(version: number, row: number): Float32Array<ArrayBuffer> | null {
		const sql = "SELECT bytes FROM weight_rows WHERE id = ?";
		const [found] = this.#sql.exec<{ bytes: ArrayBuffer }>(sql, version * ROWS_PER_VERSION + row);
		return found ? new Float32Array(found.bytes) : null;
	}

	optimiserState(version: number, row: number, array: number): Float32Array<ArrayBuffer> | null {
		const sql = "SELECT bytes FROM optimiser_rows WHERE id = ?";
		const [found] = this.#sql.exec<{ bytes: ArrayBuffer }>(sql, stateId(version, row, array));
		return found ? new Float32Array(found.bytes) : null;
	}

	/** The next rows of a version and of the optimiser's state after it, and with them how far the version is: all or nothing of it. False,
	 *  and nothing is written, when these are not the rows that come next. */
	putMade(
		{ version, attempt, rowsMade }: Making,
		rows: number,
		made: readonly {
			readonly weights: Float32Array<ArrayBuffer>;
			readonly digest: ArrayBuffer;
			readonly state: readonly Float32Array<ArrayBuffer>[];
		}[],
	): boolean {
		return this.#storage.transactionSync(() => {
			const now = this.#row(version);
			if (now?.state !== "making" || now.attempt !== attempt || now.next_row !== rowsMade) return false;
			for (const [index, { weights, digest, state }] of made.entries()) {
				this.putWeights(version, rowsMade + index, weights, digest);
				for (const [array, values] of state.entries()) {
					const id = stateId(version, rowsMade + index, array);
					this.#sql.exec("INSERT OR REPLACE INTO optimiser_rows VALUES (?, ?)", id, bytesOf(values));
				}
				// Arrays that an attempt which failed has left.
				const absent = [state.length, STATES_MAX - 1].map((array) => stateId(version, rowsMade + index, array));
				this.#sql.exec("DELETE FROM optimiser_rows WHERE id BETWEEN ? AND ?", ...absent);
			}
			const next = rowsMade + made.length;
			const state = next === rows ? "made" : "making";
			this.#sql.exec("UPDATE versions SET next_row = ?, state = ? WHERE version = ?", next, state, version);
			return true;
		});
	}

	putWeights(version: number, row: number, weights: Float32Array<ArrayBuffer>, digest: ArrayBuffer): void {
		const id = version * ROWS_PER_VERSION + row;
		this.#sql.exec("INSERT OR REPLACE INTO weight_rows VALUES (?, ?, ?)", id, digest, bytesOf(weights));
	}

	/** One row of a file of initial weights, by the file's number. The first row of a later file drops all of an earlier one. False, and
	 *  nothing is written, when the file is not the latest, when version 0 is whole, or when other bytes are in the row. */
	putInitial(epoch: number, row: number, weights: Float32Array<ArrayBuffer>, digest: ArrayBuffer): boolean {
		return this.#storage.transactionSync(() => {
			if (!this.isAttempted(0, epoch)) {
				this.#sql.exec("DELETE FROM weight_rows WHERE id < ?", ROWS_PER_VERSION);
				this.begin(0, epoch, { kind: "initial" });
			}
			const now = this.#row(0);
			if (now?.state !== "making" || now.attempt !== epoch) return false;
			const [known] = this.#sql.exec<{ digest: ArrayBuffer }>("SELECT digest FROM weight_rows WHERE id = ?", row);
			if (known) return isEqual(known.digest, digest);
			this.putWeights(0, row, weights, digest);
			return true;
		});
	}

	/** Which rows of a file of initial weights are here, counted from the shard's first. */
	initialRows(epoch: number): readonly number[] {
		if (this.#row(0)?.attempt !== epoch) return [];
		const sql = "SELECT id FROM weight_rows WHERE id < ? ORDER BY id";
		return this.#sql
			.exec<{ id: number }>(sql, ROWS_PER_VERSION)
			.toArray()
			.map(({ id }) => id);
	}

	finishInitial(epoch: number, rows: number): void {
		const sql =
			"UPDATE versions SET state = 'made', next_row = ? WHERE version = 0 AND attempt = ? AND state = 'making'";
		this.#sql.exec(sql, rows, epoch);
	}

	fail(version: number, fault: string): void {
		const sql = "UPDATE versions SET state = 'failed', fault = ? WHERE version = ? AND state = 'making'";
		this.#sql.exec(sql, fault, version);
	}

	/** Marks all versions up to `newest` for collection but these. */
	keepOnly(versions: readonly number[], newest: number): void {
		this.#sql.exec(
			`UPDATE versions SET state = 'dropped' WHERE version <= ? AND state <> 'dropped'
			 AND version NOT IN (SELECT value FROM json_each(?))`,
			newest,
			JSON.stringify(versions),
		);
	}

	/** Gives up an attempt at a version. */
	drop(version: number, attempt: number): void {
		this.#sql.exec("UPDATE versions SET state = 'dropped' WHERE version = ? AND attempt = ?", version, attempt);
	}

	/** Deletes some rows of what is marked. Whether there are more. */
	collect(): boolean {
		const [dropped] = this.#sql.exec<{ version: number }>(
			"SELECT version FROM versions WHERE state = 'dropped' AND plan <> '' LIMIT 1",
		);
		if (!dropped) return false;
		const first = dropped.version * ROWS_PER_VERSION;
		const weights = this.#collectFrom("weight_rows", first, first + ROWS_PER_VERSION);
		const states = this.#collectFrom("optimiser_rows", first * STATES_MAX, (first + ROWS_PER_VERSION) * STATES_MAX);
		// The row stays, so that a version that was dropped is not made again.
		if (!weights && !states) {
			this.#sql.exec("UPDATE versions SET plan = '' WHERE version = ?", dropped.version);
		}
		return true;
	}

	#collectFrom(table: "weight_rows" | "optimiser_rows", from: number, to: number): boolean {
		const ids = `SELECT id FROM ${table} WHERE id >= ? AND id < ? LIMIT ${COLLECTED_ROWS}`;
		return this.#sql.exec(`DELETE FROM ${table} WHERE id IN (${ids})`, from, to).rowsWritten > 0;
	}

	#row(version: number): VersionRow | undefined {
		const [row] = this.#sql.exec<VersionRow>("SELECT * FROM versions WHERE version = ?", version);
		return row;
	}
}

function isEqual(a: ArrayBuffer, b: ArrayBuffer): boolean {
	return isSameDigest(new Uint8Array(a), new Uint8Array(b));
}

function stateId(version: number, row: number, array: number): number {
	return (version * ROWS_PER_VERSION + row) * STATES_MAX + array;
}

function bytesOf(values: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
	return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
