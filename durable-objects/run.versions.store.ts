import type { FlushPlan } from "../src/shared/federated/messages.ts";
import type { Seconds } from "../src/shared/units.ts";

export interface StoredVersion {
	readonly version: number;
	readonly kind: "initial" | "flush" | "rollback";
	readonly state: "making" | "made" | "collected" | "failed";
	/** Of a rollback, the version that is copied. */
	readonly parent: number | null;
	/** Optimiser steps in its history. */
	readonly step: number;
	/** The round whose updates it is made of. */
	readonly round: number;
	readonly begunAt: Seconds;
	readonly madeAt: Seconds | null;
	readonly digest: string | null;
	readonly link: string | null;
}

/** What was pending in a round when it ended. */
export interface RoundSummary {
	readonly updates: number;
	readonly weight: number;
	readonly examples: number;
	readonly norm_mean: number | null;
	readonly norm_max: number | null;
	readonly norm_min: number | null;
	readonly loss: number | null;
	readonly metrics: Readonly<Record<string, number>>;
}

export interface StoredRound {
	readonly round: number;
	readonly openedAt: Seconds;
	readonly closedAt: Seconds | null;
	readonly extended: boolean;
	readonly tasks: number;
	readonly refused: number;
	readonly version: number | null;
	readonly summary: RoundSummary | null;
}

type VersionRow = {
	version: number;
	kind: StoredVersion["kind"];
	state: StoredVersion["state"];
	parent: number | null;
	step: number;
	round: number;
	begun_at: number;
	made_at: number | null;
	digest: string | null;
	link: string | null;
};
type RoundRow = {
	round: number;
	opened_at: number;
	closed_at: number | null;
	extended: number;
	tasks: number;
	refused: number;
	version: number | null;
	summary: string | null;
};

const COLUMNS = "version, kind, state, parent, step, round, begun_at, made_at, digest, link";

/** A run's versions, what each is made of, and its rounds. */
export class RunVersionsStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	begin(
		{ version, kind, parent, step, round }: Pick<StoredVersion, "version" | "kind" | "parent" | "step" | "round">,
		plan: FlushPlan | null,
		now: Seconds,
	): void {
		this.#sql.exec(
			"INSERT OR REPLACE INTO versions VALUES (?, ?, 'making', ?, ?, ?, ?, ?, NULL, NULL, NULL)",
			version,
			kind,
			parent,
			step,
			round,
			plan && JSON.stringify(plan),
			now,
		);
	}

	version(version: number): StoredVersion | null {
		const [row] = this.#sql.exec<VersionRow>(`SELECT ${COLUMNS} FROM versions WHERE version = ?`, version);
		return row ? storedVersion(row) : null;
	}

	/** The newest that has these weights and is kept, else the newest that had. */
	byDigest(digest: string): StoredVersion | null {
		const sql = `SELECT ${COLUMNS} FROM versions WHERE digest = ? ORDER BY state = 'made' DESC, version DESC LIMIT 1`;
		const [row] = this.#sql.exec<VersionRow>(sql, digest);
		return row ? storedVersion(row) : null;
	}

	plan(version: number): FlushPlan | null {
		const [row] = this.#sql.exec<{ plan: string | null }>("SELECT plan FROM versions WHERE version = ?", version);
		return row?.plan ? (JSON.parse(row.plan) as FlushPlan) : null;
	}

	putPlan(version: number, plan: FlushPlan): void {
		this.#sql.exec("UPDATE versions SET plan = ? WHERE version = ?", JSON.stringify(plan), version);
	}

	/** Made ones before a version, the newest first. */
	before(version: number, limit: number): readonly StoredVersion[] {
		const sql = `SELECT ${COLUMNS} FROM versions WHERE version < ? AND state IN ('made', 'collected') ORDER BY version DESC LIMIT ?`;
		return this.#sql.exec<VersionRow>(sql, version, limit).toArray().map(storedVersion);
	}

	/** Made ones after a version, the oldest first. */
	after(version: number, limit: number): readonly StoredVersion[] {
		const sql = `SELECT ${COLUMNS} FROM versions WHERE version > ? AND state IN ('made', 'collected') ORDER BY version LIMIT ?`;
		return this.#sql.exec<VersionRow>(sql, version, limit).toArray().map(storedVersion);
	}

	kept(): readonly number[] {
		return this.#sql
			.exec<{ version: number }>("SELECT version FROM versions WHERE state = 'made' ORDER BY version")
			.toArray()
			.map((row) => row.version);
	}

	markCollected(version: number): void {
		this.#sql.exec("UPDATE versions SET state = 'collected' WHERE version = ?", version);
	}

	/** Attempts that have failed and were not begun anew. */
	failed(): readonly { readonly version: number; readonly round: number }[] {
		const sql = "SELECT version, round FROM versions WHERE state = 'failed'";
		return this.#sql.exec<{ version: number; round: number }>(sql).toArray();
	}

	fail(version: number): void {
		this.#sql.exec("UPDATE versions SET state = 'failed' WHERE version = ?", version);
		this.#sql.exec("DELETE FROM made_shards WHERE version = ?", version);
	}

	finish(version: number, digest: string, link: string, now: Seconds): void {
		const sql = "UPDATE versions SET state = 'made', digest = ?, link = ?, made_at = ? WHERE version = ?";
		this.#sql.exec(sql, digest, link, now, version);
		this.#sql.exec("DELETE FROM made_shards WHERE version = ?", version);
	}

	/** Notes that a shard has a version. */
	shardMade(version: number, shard: number, rowDigests: Uint8Array): void {
		this.#sql.exec("INSERT OR REPLACE INTO made_shards VALUES (?, ?, ?)", version, shard, rowDigests);
	}

	shardsMade(version: number): ReadonlySet<number> {
		const sql = "SELECT shard FROM made_shards WHERE version = ?";
		return new Set(
			this.#sql
				.exec<{ shard: number }>(sql, version)
				.toArray()
				.map(({ shard }) => shard),
		);
	}

	/** The digests of all rows, in order. */
	rowDigests(version: number): Uint8Array<ArrayBuffer> {
		const sql = "SELECT row_digests FROM made_shards WHERE version = ? ORDER BY shard";
		const pieces = this.#sql.exec<{ row_digests: ArrayBuffer }>(sql, version).toArray();
		const digests = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.row_digests.byteLength, 0));
		let at = 0;
		for (const { row_digests: piece } of pieces) {
			digests.set(new Uint8Array(piece), at);
			at += piece.byteLength;
		}
		return digests;
	}

	openRound(round: number, now: Seconds): void {
		this.#sql.exec("INSERT OR IGNORE INTO rounds (round, opened_at) VALUES (?, ?)", round, now);
	}

	closeRound(round: number, version: number | null, summary: RoundSummary, now: Seconds): void {
		const sql = "UPDATE rounds SET closed_at = ?, version = ?, summary = ? WHERE round = ?";
		this.#sql.exec(sql, now, version, JSON.stringify(summary), round);
	}

	extendRound(round: number): void {
		this.#sql.exec("UPDATE rounds SET extended = 1 WHERE round = ?", round);
	}

	countTask(round: number): void {
		this.#sql.exec("UPDATE rounds SET tasks = tasks + 1 WHERE round = ?", round);
	}

	countRefused(round: number): void {
		this.#sql.exec("UPDATE rounds SET refused = refused + 1 WHERE round = ?", round);
	}

	round(round: number): StoredRound | null {
		const [row] = this.#sql.exec<RoundRow>("SELECT * FROM rounds WHERE round = ?", round);
		return row ? storedRound(row) : null;
	}

	rounds(after: number, limit: number): readonly StoredRound[] {
		const sql = "SELECT * FROM rounds WHERE round > ? ORDER BY round LIMIT ?";
		return this.#sql.exec<RoundRow>(sql, after, limit).toArray().map(storedRound);
	}
}

function storedVersion({ begun_at: begunAt, made_at: madeAt, ...row }: VersionRow): StoredVersion {
	return { ...row, begunAt, madeAt };
}

function storedRound({ opened_at: openedAt, closed_at: closedAt, extended, summary, ...row }: RoundRow): StoredRound {
	const parsed = summary === null ? null : (JSON.parse(summary) as RoundSummary);
	return { ...row, openedAt, closedAt, extended: extended === 1, summary: parsed };
}
