import type { Encoding } from "../src/shared/federated/encoding.ts";
import type { FinalRefusal, UpdateAnswer } from "../src/shared/federated/messages.ts";
import type { PendingUpdate, Task } from "../src/shared/federated/run.ts";
import type { Seconds } from "../src/shared/units.ts";

/** What a commit says of its update beside what the rule reads. */
export interface Committed {
	readonly examples: number;
	readonly encoding: Encoding;
	readonly digest: string;
	readonly metrics: Readonly<Record<string, number>>;
}

/** An update, and whose it is. */
type Named = { id: string; client: string };

/** An update that was decided. */
export interface StoredUpdate {
	readonly id: string;
	readonly client: string;
	readonly base: number;
	readonly answer: UpdateAnswer;
	readonly committedAt: Seconds;
	readonly squaredNorm: number | null;
	readonly encoding: Encoding | null;
	readonly digest: string | null;
}

type TaskRow = {
	client: string;
	id: string;
	round: number;
	base: number;
	issued_at: number;
	deadline: number;
	released: number;
};
type UpdateRow = {
	id: string;
	client: string;
	status: "pending" | "accepted" | "refused";
	round: number;
	base: number;
	version: number | null;
	reason: FinalRefusal | null;
	committed_at: number;
	weight: number | null;
	examples: number | null;
	steps: number | null;
	loss: number | null;
	square_norm: number | null;
	turnaround: number | null;
	encoding: Encoding | null;
	digest: string | null;
	metrics: string | null;
};

/** Tasks that were given and what became of them: the rows that make an update count. */
export class RunUpdatesStore {
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#sql = storage.sql;
	}

	/** The client's open task. */
	taskOf(client: string): Task | null {
		const [row] = this.#sql.exec<TaskRow>("SELECT * FROM tasks WHERE client = ?", client);
		return row ? taskFrom(row) : null;
	}

	task(id: string): Task | null {
		const [row] = this.#sql.exec<TaskRow>("SELECT * FROM tasks WHERE id = ?", id);
		return row ? taskFrom(row) : null;
	}

	/** In the place of the client's task before. */
	putTask({ client, id, round, base, issuedAt, deadline }: Task): void {
		const sql = "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?, 0)";
		this.#sql.exec(sql, client, id, round, base, issuedAt, deadline);
	}

	endTask(id: string): void {
		this.#sql.exec("DELETE FROM tasks WHERE id = ?", id);
	}

	/** Tasks that hold bytes in the shards, or may. */
	openTasks(): readonly Task[] {
		return this.#sql.exec<TaskRow>("SELECT * FROM tasks WHERE released = 0").toArray().map(taskFrom);
	}

	markReleased(id: string): void {
		this.#sql.exec("UPDATE tasks SET released = 1 WHERE id = ?", id);
	}

	/** Whether any of these updates is that of an open task. */
	isAnyOpen(ids: readonly string[]): boolean {
		const sql = "SELECT 1 FROM tasks WHERE id IN (SELECT value FROM json_each(?)) LIMIT 1";
		return this.#sql.exec(sql, JSON.stringify(ids)).toArray().length > 0;
	}

	/** When the first of those is due that is not yet, and whether one is; infinite when there is none. */
	deadlines(now: Seconds): { readonly next: Seconds; readonly isOneDue: boolean } {
		const sql = `SELECT min(CASE WHEN deadline > ?1 THEN deadline END) AS next, total(deadline <= ?1) AS due
			FROM tasks WHERE released = 0`;
		const { next, due } = this.#sql.exec<{ next: number | null; due: number }>(sql, now).one();
		return { next: next ?? Infinity, isOneDue: due > 0 };
	}

	/** Gives open tasks longer. */
	putOff(seconds: Seconds): void {
		this.#sql.exec("UPDATE tasks SET deadline = deadline + ? WHERE released = 0", seconds);
	}

	/** Versions from which pending updates were trained. */
	pendingBases(): readonly number[] {
		return this.#sql
			.exec<{ base: number }>("SELECT DISTINCT base FROM updates WHERE status = 'pending'")
			.toArray()
			.map((row) => row.base);
	}

	/** Versions from which open tasks train. */
	taskBases(): readonly number[] {
		return this.#sql
			.exec<{ base: number }>("SELECT DISTINCT base FROM tasks WHERE released = 0")
			.toArray()
			.map((row) => row.base);
	}

	update(id: string): StoredUpdate | null {
		const [row] = this.#sql.exec<UpdateRow>("SELECT * FROM updates WHERE id = ?", id);
		return row ? storedUpdate(row) : null;
	}

	addPending(
		update: PendingUpdate,
		taskRound: number,
		{ examples, encoding, digest, metrics }: Committed,
		now: Seconds,
	): void {
		this.#sql.exec(
			`INSERT INTO updates VALUES (?, ?, 'pending', ?, ?, ?, NULL, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			update.id,
			update.client,
			taskRound,
			update.round,
			update.base,
			now,
			update.weight,
			examples,
			update.steps,
			update.loss,
			update.squaredNorm,
			update.turnaround,
			encoding,
			digest,
			JSON.stringify(metrics),
		);
	}

	addRefused({ id, client, round, base }: Task, reason: FinalRefusal, now: Seconds): void {
		this.#sql.exec(
			`INSERT OR IGNORE INTO updates (id, client, status, task_round, round, base, reason, committed_at)
			 VALUES (?1, ?2, 'refused', ?3, ?3, ?4, ?5, ?6)`,
			id,
			client,
			round,
			base,
			reason,
			now,
		);
	}

	/** Whether the client has an update in this round, whatever became of it. */
	hasContributed(client: string, round: number): boolean {
		const sql = "SELECT 1 FROM updates WHERE client = ? AND round = ? LIMIT 1";
		return this.#sql.exec(sql, client, round).toArray().length > 0;
	}

	pendingCount(round: number): number {
		const sql = "SELECT count(*) AS n FROM updates WHERE round = ? AND status = 'pending'";
		return this.#sql.exec<{ n: number }>(sql, round).one().n;
	}

	/** Updates that hold bytes in the shards, or may begin to: those of tasks that are not released, pending ones and those that are
	 *  being summed. */
	stagedCount(): number {
		const sql = `SELECT (SELECT count(*) FROM tasks WHERE released = 0)
			+ (SELECT count(*) FROM updates WHERE status = 'pending') AS n`;
		return this.#sql.exec<{ n: number }>(sql).one().n;
	}

	/** Tasks that hold a place in their round: answered and not refused, or in their own time. */
	handedOut(round: number, now: Seconds): number {
		const sql = `SELECT (SELECT count(*) FROM tasks WHERE round = ?1 AND deadline >= ?2)
			+ (SELECT count(*) FROM updates WHERE task_round = ?1 AND status <> 'refused') AS n`;
		return this.#sql.exec<{ n: number }>(sql, round, now).one().n;
	}

	/** When the first open task that holds a place in a round loses it; null where there is none. */
	nextLapse(round: number, now: Seconds): Seconds | null {
		const sql = "SELECT min(deadline) AS at FROM tasks WHERE round = ? AND deadline >= ?";
		return this.#sql.exec<{ at: number | null }>(sql, round, now).one().at;
	}

	pending(round: number): readonly (PendingUpdate & { readonly encoding: Encoding; readonly digest: string })[] {
		return this.#sql
			.exec<UpdateRow>("SELECT * FROM updates WHERE round = ? AND status = 'pending'", round)
			.toArray()
			.map((row) => ({
				id: row.id,
				client: row.client,
				round: row.round,
				base: row.base,
				weight: row.weight ?? 0,
				steps: row.steps,
				loss: row.loss,
				squaredNorm: row.square_norm ?? 0,
				turnaround: row.turnaround ?? 0,
				encoding: row.encoding!,
				digest: row.digest!,
			}));
	}

	pendingOf(client: string): readonly StoredUpdate[] {
		const sql = "SELECT * FROM updates WHERE client = ? AND status = 'pending'";
		return this.#sql.exec<UpdateRow>(sql, client).toArray().map(storedUpdate);
	}

	accept(round: number, version: number): void {
		const sql = "UPDATE updates SET status = 'accepted', version = ? WHERE round = ? AND status = 'pending'";
		this.#sql.exec(sql, version, round);
	}

	/** Of clients that have one pending in `round` too, what is pending in the round `from`. */
	doubles(round: number, from: number): readonly Named[] {
		const sql = `SELECT id, client FROM updates WHERE status = 'pending' AND round = ?2
			AND client IN (SELECT client FROM updates WHERE status = 'pending' AND round = ?1)`;
		return this.#sql.exec<Named>(sql, round, from).toArray();
	}

	/** What is pending in one round from now on counts for another. */
	moveTo(round: number, from: number): void {
		this.#sql.exec("UPDATE updates SET round = ? WHERE round = ? AND status = 'pending'", round, from);
	}

	/** What is pending of clients that were expelled since. */
	pendingOfExpelled(): readonly Named[] {
		const sql = `SELECT updates.id, updates.client FROM updates JOIN members ON members.client = updates.client
			WHERE updates.status = 'pending' AND members.state = 'expelled'`;
		return this.#sql.exec<Named>(sql).toArray();
	}

	/** The update with the largest norm that is pending in a round. */
	largest(round: number): { readonly update: string; readonly client: string; readonly norm: number } | null {
		const sql = `SELECT id AS "update", client, sqrt(square_norm) AS norm FROM updates WHERE round = ? AND status = 'pending'
			ORDER BY square_norm DESC, id LIMIT 1`;
		return this.#sql.exec<{ update: string; client: string; norm: number }>(sql, round).toArray()[0] ?? null;
	}

	/** Refuses what is pending, in one round or in all; gives what it was. */
	refusePending(reason: FinalRefusal, round: number | null): readonly Named[] {
		const sql = `UPDATE updates SET status = 'refused', reason = ?1 WHERE status = 'pending' AND (?2 IS NULL OR round = ?2)
			RETURNING id, client`;
		return this.#sql.exec<Named>(sql, reason, round).toArray();
	}

	refuse(id: string, reason: FinalRefusal): void {
		const sql = "UPDATE updates SET status = 'refused', reason = ? WHERE id = ? AND status = 'pending'";
		this.#sql.exec(sql, reason, id);
	}

	/** Updates that a version was made of. */
	acceptedIn(version: number): readonly StoredUpdate[] {
		const sql = "SELECT * FROM updates WHERE version = ? AND status = 'accepted' ORDER BY id";
		return this.#sql.exec<UpdateRow>(sql, version).toArray().map(storedUpdate);
	}
}

function taskFrom({ id, client, round, base, issued_at: issuedAt, deadline, released }: TaskRow): Task {
	return { id, client, round, base, issuedAt, deadline, released: released === 1 };
}

function storedUpdate(row: UpdateRow): StoredUpdate {
	const { id, client, base, committed_at: committedAt, square_norm: squaredNorm, encoding, digest } = row;
	return { id, client, base, answer: answerOf(row), committedAt, squaredNorm, encoding, digest };
}

function answerOf({ status, round, version, reason, weight }: UpdateRow): UpdateAnswer {
	switch (status) {
		case "pending":
			return { status, round, weight: weight ?? 0 };
		case "accepted":
			return { status, round, version: version ?? 0, weight: weight ?? 0 };
		case "refused":
			return { status, reason: reason ?? "round_closed" };
	}
}
