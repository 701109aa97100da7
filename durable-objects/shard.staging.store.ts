import type { Encoding } from "../src/shared/federated/encoding.ts";
import { ROW_PARAMETERS } from "../src/shared/federated/sizes.ts";
import type { Seconds } from "../src/shared/units.ts";
import type { PartPlace, SealReply, StagedPart } from "./shard.messages.ts";

/** A part has fewer rows than this in every encoding, so a row's id is its upload's number times this and its own place. */
const ROWS_PER_UPLOAD = 64;
/** Rows that are deleted in one turn. */
const COLLECTED_ROWS = 64;

/** The id of the row that begins at parameter ?3, of update ?1 in encoding ?2. */
const SEALED_ROW = `SELECT upload * ${ROWS_PER_UPLOAD} + (?3 - begin_at) / ${ROW_PARAMETERS} FROM uploads
	WHERE update_id = ?1 AND encoding = ?2 AND state = 'sealed' AND begin_at <= ?3 AND end_at > ?3`;

/** An upload under way. */
export interface Arriving extends PartPlace {
	readonly upload: number;
}

type UploadRow = {
	upload: number;
	update_id: string;
	part: number;
	encoding: Encoding;
	begin_at: number;
	end_at: number;
	state: "arriving" | "staged" | "sealed" | "dead";
	digest: string | null;
	square_norm: number | null;
};

/** Parts of updates as they came, a row of the table for each row of parameters. What has not come whole counts for nothing. */
export class ShardStagingStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	/** The part of this place that is here whole. */
	part({ update, encoding, part }: Pick<PartPlace, "update" | "encoding" | "part">): StagedPart | null {
		const [row] = this.#sql.exec<UploadRow>(
			"SELECT * FROM uploads WHERE update_id = ? AND encoding = ? AND part = ? AND state IN ('staged', 'sealed')",
			update,
			encoding,
			part,
		);
		return row ? stagedPart(row) : null;
	}

	parts(update: string): readonly StagedPart[] {
		return this.#sql
			.exec<UploadRow>(
				"SELECT * FROM uploads WHERE update_id = ? AND state IN ('staged', 'sealed') ORDER BY part",
				update,
			)
			.toArray()
			.map(stagedPart);
	}

	/** Begins an upload and gives its number. It takes the place of one of the same part that is under way, and of everything that
	 *  came of its update in another encoding. Call in a transaction. */
	open({ update, part, encoding, begin, end }: PartPlace, now: Seconds): number {
		const overtaken = `UPDATE uploads SET state = 'dead'
			WHERE state = 'arriving' AND update_id = ? AND (part = ? OR encoding <> ?)`;
		this.#sql.exec(overtaken, update, part, encoding);
		const others = `UPDATE uploads SET state = 'dead'
			WHERE update_id = ? AND state IN ('staged', 'sealed') AND state = 'staged' AND encoding <> ?`;
		this.#sql.exec(others, update, encoding);
		const sql = `INSERT INTO uploads (update_id, part, encoding, begin_at, end_at, state, at)
			VALUES (?, ?, ?, ?, ?, 'arriving', ?) RETURNING upload`;
		return this.#sql.exec<{ upload: number }>(sql, update, part, encoding, begin, end, now).one().upload;
	}

	arriving(upload: number): Arriving | null {
		const [row] = this.#sql.exec<UploadRow>("SELECT * FROM uploads WHERE upload = ? AND state = 'arriving'", upload);
		if (!row) return null;
		const { update_id: update, part, encoding, begin_at: begin, end_at: end } = row;
		return { upload, update, part, encoding, begin, end };
	}

	/** `row` counts within the part. */
	putRow(upload: number, row: number, squareNorm: number, bytes: Uint8Array): void {
		this.#sql.exec(
			"INSERT OR REPLACE INTO staged_rows VALUES (?, ?, ?)",
			upload * ROWS_PER_UPLOAD + row,
			squareNorm,
			bytes,
		);
	}

	/** Makes a part whole, in the place of what was there; null when rows are missing or the place is sealed. Call in a transaction. */
	close({ upload, update, encoding, part, begin, end }: Arriving, digest: string): StagedPart | null {
		const before = this.part({ update, encoding, part });
		if (before?.sealed) return null;
		const { rows, total } = this.#sql
			.exec<{ rows: number; total: number | null }>(
				"SELECT count(*) AS rows, sum(square_norm) AS total FROM (SELECT square_norm FROM staged_rows WHERE id BETWEEN ? AND ? ORDER BY id)",
				upload * ROWS_PER_UPLOAD,
				upload * ROWS_PER_UPLOAD + ROWS_PER_UPLOAD - 1,
			)
			.one();
		if (rows !== Math.ceil((end - begin) / ROW_PARAMETERS)) return null;
		this.#sql.exec(
			"UPDATE uploads SET state = 'dead' WHERE update_id = ? AND encoding = ? AND part = ? AND state = 'staged'",
			update,
			encoding,
			part,
		);
		const squareNorm = total ?? 0;
		this.#sql.exec(
			"UPDATE uploads SET state = 'staged', digest = ?, square_norm = ? WHERE upload = ?",
			digest,
			squareNorm,
			upload,
		);
		return { part, encoding, digest, squareNorm, sealed: false };
	}

	drop(upload: number): void {
		this.#sql.exec("UPDATE uploads SET state = 'dead' WHERE upload = ? AND state = 'arriving'", upload);
	}

	/** Fixes an update's parts: `digests` by part. What else was staged for it goes, be it that a commit that broke off had sealed it. Call in a transaction. */
	seal(update: string, encoding: Encoding, digests: ReadonlyMap<number, string>): SealReply {
		const found = this.parts(update).filter((each) => each.encoding === encoding);
		const whole = new Map(found.map((each) => [each.part, each]));
		const missing = [...digests].filter(([part, digest]) => whole.get(part)?.digest !== digest).map(([part]) => part);
		if (missing.length > 0) return { ok: false, missing };
		this.#sql.exec(
			`UPDATE uploads SET state = CASE WHEN encoding = ?2 AND state <> 'arriving' THEN 'sealed' ELSE 'dead' END
			 WHERE update_id = ?1 AND state IN ('arriving', 'staged', 'sealed')`,
			update,
			encoding,
		);
		const sql = `SELECT staged_rows.square_norm AS norm FROM uploads JOIN staged_rows
			ON staged_rows.id BETWEEN upload * ${ROWS_PER_UPLOAD} AND upload * ${ROWS_PER_UPLOAD} + ${ROWS_PER_UPLOAD - 1}
			WHERE update_id = ? AND state = 'sealed' ORDER BY begin_at, staged_rows.id`;
		const norms = this.#sql.exec<{ norm: number }>(sql, update).toArray();
		return { ok: true, rowNorms: Float64Array.from(norms, ({ norm }) => norm) };
	}

	unseal(update: string): void {
		this.#sql.exec("UPDATE uploads SET state = 'staged' WHERE update_id = ? AND state = 'sealed'", update);
	}

	/** The bytes of one row of parameters, which begins at `begin`, of an update that is sealed. */
	row(update: string, encoding: Encoding, begin: number): Uint8Array<ArrayBuffer> | null {
		const sql = `SELECT bytes FROM staged_rows WHERE id = (${SEALED_ROW})`;
		const [found] = this.#sql.exec<{ bytes: ArrayBuffer }>(sql, update, encoding, begin);
		return found ? new Uint8Array(found.bytes) : null;
	}

	/** Bytes `from` to `to` of such a row. */
	rowPiece(update: string, encoding: Encoding, begin: number, from: number, to: number): Uint8Array | null {
		const sql = `SELECT substr(bytes, ?4, ?5) AS bytes FROM staged_rows WHERE id = (${SEALED_ROW})`;
		const [found] = this.#sql.exec<{ bytes: ArrayBuffer }>(sql, update, encoding, begin, from + 1, to - from);
		return found ? new Uint8Array(found.bytes) : null;
	}

	/** Marks everything of these updates for collection, unless this call or a later one has come before. Call in a transaction. */
	release(updates: readonly string[], call: number): void {
		const noted = this.#sql.exec("UPDATE shard SET released_call = ?1 WHERE released_call < ?1", call);
		if (noted.rowsWritten === 0) return;
		const sql =
			"UPDATE uploads SET state = 'dead' WHERE update_id IN (SELECT value FROM json_each(?)) AND state <> 'dead'";
		this.#sql.exec(sql, JSON.stringify(updates));
	}

	/** Gives up uploads that began before this and are not whole. */
	giveUp(before: Seconds): void {
		this.#sql.exec("UPDATE uploads SET state = 'dead' WHERE state = 'arriving' AND at < ?", before);
	}

	/** When the oldest upload in this state began, or was last asked for; infinite when there is none. */
	oldest(state: "arriving" | "staged"): Seconds {
		const [row] = this.#sql.exec<{ at: number }>("SELECT at FROM uploads WHERE state = ? ORDER BY at LIMIT 1", state);
		return row?.at ?? Infinity;
	}

	/** Updates of which parts have waited since before this to be sealed, the oldest first. */
	waiting(before: Seconds, limit: number): readonly string[] {
		return this.#sql
			.exec<{ update_id: string }>(
				"SELECT update_id FROM uploads WHERE state = 'staged' AND at < ? GROUP BY update_id ORDER BY min(at) LIMIT ?",
				before,
				limit,
			)
			.toArray()
			.map((row) => row.update_id);
	}

	/** Notes that the run has been asked for an update's staged parts: they stay, or go. */
	endWaiting(update: string, isWanted: boolean, now: Seconds): void {
		const state = isWanted ? "staged" : "dead";
		const sql = `UPDATE uploads SET at = ?, state = ?
			WHERE update_id = ? AND state IN ('staged', 'sealed') AND state = 'staged'`;
		this.#sql.exec(sql, now, state, update);
	}

	get isAnyDead(): boolean {
		return this.#sql.exec("SELECT 1 FROM uploads WHERE state = 'dead' LIMIT 1").toArray().length > 0;
	}

	/** Deletes some rows of what is marked. Whether there are more. */
	collect(): boolean {
		let left = COLLECTED_ROWS;
		const dead = this.#sql
			.exec<{ upload: number }>("SELECT upload FROM uploads WHERE state = 'dead' LIMIT ?", COLLECTED_ROWS)
			.toArray();
		for (const { upload } of dead) {
			if (left <= 0) return true;
			const from = upload * ROWS_PER_UPLOAD;
			const { rows } = this.#sql
				.exec<{ rows: number }>(
					"SELECT count(*) AS rows FROM staged_rows WHERE id BETWEEN ? AND ?",
					from,
					from + ROWS_PER_UPLOAD - 1,
				)
				.one();
			this.#sql.exec("DELETE FROM staged_rows WHERE id BETWEEN ? AND ?", from, from + ROWS_PER_UPLOAD - 1);
			this.#sql.exec("DELETE FROM uploads WHERE upload = ?", upload);
			left -= rows + 1;
		}
		return dead.length === COLLECTED_ROWS;
	}

	/** Bytes of staged rows, for status and tests. */
	get size(): { readonly uploads: number; readonly rows: number } {
		const count = (table: string): number =>
			this.#sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n;
		return { uploads: count("uploads"), rows: count("staged_rows") };
	}
}

function stagedPart({ part, encoding, digest, square_norm, state }: UploadRow): StagedPart {
	return { part, encoding, digest: digest ?? "", squareNorm: square_norm ?? 0, sealed: state === "sealed" };
}
