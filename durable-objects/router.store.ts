import type { ObservedCount, ShadowAsk } from "../src/shared/router/messages.ts";
import type { RouterSetup } from "../src/shared/router/online-view.ts";
import { mayMove, type AnchorRow, type Outcome } from "../src/shared/router/outcome.ts";
import type { ShadowSpending } from "../src/shared/router/shadow.ts";
import type { NanoUsd, Seconds } from "../src/shared/units.ts";

/** Outcomes that may move an estimate, the newest; at a half-life of 30 days what is dropped hardly counts any more. */
export const MOVING_MAX = 20_000;
/** Others, before they are added up. */
export const OBSERVED_MAX = 50_000;
/** Rows taken off at a time. */
const PURGE_ROWS = 10_000;
/** Days of shadow spending that are kept. */
const SPENDING_DAYS = 7;

interface VersionRow {
	readonly model: string;
	readonly version: string;
	readonly since: Seconds;
}

/** A router's state in its object's SQLite. Nothing of it is kept in memory: it is read when a view is made. */
export class RouterStore {
	readonly #storage: DurableObjectStorage;
	readonly #sql: SqlStorage;

	constructor(storage: DurableObjectStorage) {
		this.#storage = storage;
		this.#sql = storage.sql;
	}

	/** A later word of the same source about the same answer takes the place of the earlier. */
	tell(outcomes: readonly Outcome[]): void {
		this.#storage.transactionSync(() => {
			for (const outcome of outcomes) {
				this.#sql.exec(
					"INSERT OR REPLACE INTO outcomes (request, source, over_request, at, moves, outcome) VALUES (?, ?, ?, ?, ?, ?)",
					outcome.request,
					outcome.source,
					outcome.over?.request ?? "",
					outcome.at,
					mayMove(outcome) ? 1 : 0,
					JSON.stringify(outcome),
				);
			}
			this.#revise();
		});
	}

	/** The newest that may move an estimate, oldest first, but for what was said of other versions of the models. */
	moving(): Outcome[] {
		const since = new Map(this.versions().map((row) => [row.model, row.since] as const));
		const rows = this.#sql.exec<{ outcome: string }>(
			`SELECT outcome FROM (SELECT arrival, outcome FROM outcomes WHERE moves = 1 ORDER BY arrival DESC LIMIT ${MOVING_MAX}) ORDER BY arrival`,
		);
		const found: Outcome[] = [];
		for (const row of rows) {
			const outcome: Outcome = JSON.parse(row.outcome);
			const isCurrent = (model: string): boolean => outcome.at >= (since.get(model) ?? 0);
			if (isCurrent(outcome.model) && (outcome.over === null || isCurrent(outcome.over.model))) found.push(outcome);
		}
		return found;
	}

	observed(): ObservedCount[] {
		const sql = `SELECT model, sum(n) AS n, sum(s) AS s FROM (
			SELECT model, n, s FROM observed
			UNION ALL SELECT outcome ->> 'model', 1, outcome ->> 'score' FROM outcomes WHERE moves = 0
		) GROUP BY model ORDER BY model`;
		return this.#sql.exec<{ model: string; n: number; s: number }>(sql).toArray();
	}

	label(rows: readonly AnchorRow[], now: Seconds): void {
		this.#storage.transactionSync(() => {
			this.#sql.exec("DELETE FROM labels");
			for (const [position, row] of rows.entries()) {
				this.#sql.exec("INSERT INTO labels VALUES (?, ?)", position, JSON.stringify(row));
			}
			this.#setFact("labelled_at", now);
			this.#revise();
		});
	}

	/** Without the scores of models that have become others since. */
	labels(): AnchorRow[] {
		const labelledAt = this.#fact("labelled_at") ?? 0;
		const changed = new Set(this.versions().flatMap(({ model, since }) => (since > labelledAt ? [model] : [])));
		const rows = this.#sql.exec<{ label: string }>("SELECT label FROM labels ORDER BY position");
		return Array.from(rows, ({ label }) => {
			const row: AnchorRow = JSON.parse(label);
			if (changed.size === 0) return row;
			const scores = Object.entries(row.scores).filter(([model]) => !changed.has(model));
			return { ...row, scores: Object.fromEntries(scores) };
		});
	}

	/** Notes which models have become others; what an older catalog says changes nothing. */
	configure({ catalogVersion, models }: RouterSetup, now: Seconds): void {
		if (catalogVersion <= (this.#fact("catalog_version") ?? -1)) return;
		const known = new Map(this.versions().map((row) => [row.model, row] as const));
		this.#storage.transactionSync(() => {
			for (const { id, version } of models) {
				const before = known.get(id);
				if (before?.version === version) continue;
				this.#sql.exec("INSERT OR REPLACE INTO versions VALUES (?, ?, ?)", id, version, before ? now : 0);
			}
			this.#setFact("catalog_version", catalogVersion);
			this.#revise();
		});
	}

	versions(): VersionRow[] {
		return this.#sql
			.exec<VersionRow & Record<string, string | number>>("SELECT model, version, since FROM versions ORDER BY model")
			.toArray();
	}

	get revision(): number {
		return this.#fact("revision") ?? 0;
	}

	/** Whether the shadow request's worst case was held, now or before. */
	hold({ id, day, worst }: ShadowAsk, isAllowed: (spending: ShadowSpending) => boolean): boolean {
		const [had] = this.#sql.exec("SELECT 1 FROM spending WHERE id = ?", id);
		if (had) return true;
		if (!isAllowed(this.spending(day))) return false;
		this.#sql.exec("INSERT INTO spending VALUES (?, ?, ?, NULL)", id, day, worst);
		return true;
	}

	pay(id: string, nano: NanoUsd): void {
		this.#sql.exec("UPDATE spending SET paid = ? WHERE id = ? AND paid IS NULL", nano, id);
	}

	spending(day: string): ShadowSpending {
		const sql =
			"SELECT coalesce(sum(paid), 0) AS settled, coalesce(sum(CASE WHEN paid IS NULL THEN held END), 0) AS held FROM spending WHERE day = ?";
		return this.#sql.exec<{ settled: number; held: number }>(sql, day).one();
	}

	/** Forgets everything but what shadow requests have cost and what the models' versions are. */
	reset(): void {
		this.#storage.transactionSync(() => {
			for (const table of ["outcomes", "observed", "labels"]) this.#sql.exec(`DELETE FROM ${table}`);
			this.#revise();
		});
	}

	/** Drops what has become too much, adds up scores of deterministic choices from before `before`, about which nothing more can be
	 *  said, and forgets old days of spending. Whether there may be more to do. */
	purge(before: Seconds, today: string): boolean {
		const newest = `(SELECT arrival FROM outcomes WHERE moves = ? ORDER BY arrival DESC LIMIT 1 OFFSET ?)`;
		return this.#storage.transactionSync(() => {
			const moving = this.#sql.exec(
				`DELETE FROM outcomes WHERE arrival IN (SELECT arrival FROM outcomes WHERE moves = 1 AND arrival <= ${newest} LIMIT ${PURGE_ROWS})`,
				1,
				MOVING_MAX,
			);
			const old = `arrival IN (SELECT arrival FROM outcomes WHERE moves = 0 AND (at < ? OR arrival <= ${newest}) ORDER BY arrival LIMIT ${PURGE_ROWS})`;
			this.#sql.exec(
				`INSERT INTO observed SELECT outcome ->> 'model', count(*), sum(outcome ->> 'score') FROM outcomes WHERE ${old} GROUP BY 1
				 ON CONFLICT (model) DO UPDATE SET n = n + excluded.n, s = s + excluded.s`,
				before,
				0,
				OBSERVED_MAX,
			);
			const observed = this.#sql.exec(`DELETE FROM outcomes WHERE ${old}`, before, 0, OBSERVED_MAX);
			this.#sql.exec(`DELETE FROM spending WHERE day < date(?, '-${SPENDING_DAYS} days')`, today);
			return moving.rowsWritten >= PURGE_ROWS || observed.rowsWritten >= PURGE_ROWS;
		});
	}

	get isEmpty(): boolean {
		return this.#sql.exec("SELECT 1 FROM outcomes UNION ALL SELECT 1 FROM spending LIMIT 1").toArray().length === 0;
	}

	#revise(): void {
		this.#setFact("revision", this.revision + 1);
	}

	#fact(name: string): number | undefined {
		const [row] = this.#sql.exec<{ value: number }>("SELECT value FROM facts WHERE name = ?", name);
		return row?.value;
	}

	#setFact(name: string, value: number): void {
		this.#sql.exec("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value);
	}
}
