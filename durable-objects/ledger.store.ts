import type { Account } from "../src/shared/ledger/account.ts";
import { NOTHING, plus } from "../src/shared/ledger/amounts.ts";
import { isEmpty, type Draft, type LedgerPages } from "../src/shared/ledger/draft.ts";
import type { Lease } from "../src/shared/ledger/lease.ts";
import type { Amount, KeyLimits, RequestRecord, UsageQuery, UsageRow } from "../src/shared/ledger/messages.ts";
import { recordText } from "../src/shared/ledger/records.ts";
import type { Seconds } from "../src/shared/units.ts";

/** Rows of one answer about usage; at some 300 bytes each it stays below the platform's bound for a call. */
export const USAGE_ROWS_MAX = 50_000;
/** Records kept at most, so that a busy tenant's day does not fill its object (10 GB). */
export const RECORDS_MAX = 1_000_000;
/** Rows deleted in one alarm; the next comes at once. */
const PURGE_ROWS = 20_000;

/** The platform allows 100 bound values a statement, and keeps statements that read the same prepared. */
const RECORDS_PER_INSERT = 16;
const INSERT_RECORDS = [1, RECORDS_PER_INSERT].map(
	(rows) =>
		`INSERT INTO records (id, settled_at, record) VALUES ${Array.from({ length: rows }, () => "(?, ?, ?)").join(", ")}`,
) as [string, string];

/** A ledger in its object's SQLite. Accounts and live leases are also kept in memory, as they were last committed; what a
 *  key holds is not stored at all, but is the sum of its live leases. */
export class LedgerStore implements LedgerPages {
	readonly #storage: DurableObjectStorage;
	readonly #sql: SqlStorage;
	readonly #accounts = new Map<string, Account>();
	/** By key, then by id. */
	readonly #live = new Map<string, Map<string, Lease>>();
	readonly #keyOf = new Map<string, string>();
	/** No live lease ends before this. */
	#soonest: Seconds = Infinity;

	constructor(storage: DurableObjectStorage) {
		this.#storage = storage;
		this.#sql = storage.sql;
		for (const row of this.#sql.exec<LeaseRow>("SELECT * FROM leases WHERE state = 'live'"))
			this.#remember(leaseFrom(row));
	}

	account(key: string): Account | undefined {
		const known = this.#accounts.get(key);
		if (known) return known;
		const [row] = this.#sql.exec<AccountRow>("SELECT * FROM accounts WHERE key = ?", key);
		if (!row) return undefined;
		let held = NOTHING;
		for (const lease of this.liveLeases(key)) held = plus(held, lease.held);
		const account = { ...accountFrom(row), held };
		this.#accounts.set(key, account);
		return account;
	}

	lease(id: string): Lease | undefined {
		const key = this.#keyOf.get(id);
		if (key !== undefined) return this.#live.get(key)?.get(id);
		const [row] = this.#sql.exec<LeaseRow>("SELECT * FROM leases WHERE id = ?", id);
		return row && leaseFrom(row);
	}

	liveLeases(key: string): Iterable<Lease> {
		return this.#live.get(key)?.values() ?? [];
	}

	recordsAmong(ids: readonly string[]): ReadonlySet<string> {
		if (ids.length === 0) return new Set();
		const sql = "SELECT id FROM records WHERE id IN (SELECT value FROM json_each(?))";
		return new Set(
			this.#sql
				.exec<{ id: string }>(sql, JSON.stringify(ids))
				.toArray()
				.map(({ id }) => id),
		);
	}

	/** Live leases past their time. */
	dueLeases(now: Seconds): readonly Lease[] {
		if (now < this.#soonest) return [];
		const leases = [...this.#live.values()].flatMap((ofKey) => [...ofKey.values()]);
		this.#soonest = leases.reduce((soonest, lease) => Math.min(soonest, lease.expiresAt), Infinity);
		return leases.filter((lease) => lease.expiresAt <= now);
	}

	/** No live lease ends before this; infinite when there is none. */
	get soonestExpiry(): Seconds {
		return this.#live.size === 0 ? Infinity : this.#soonest;
	}

	/** When the oldest record or ended lease came to be; infinite when there is none. */
	oldest(): Seconds {
		const [record] = this.#sql.exec<{ at: number }>("SELECT settled_at AS at FROM records ORDER BY arrival LIMIT 1");
		const lease = this.#sql.exec<{ at: number | null }>(
			"SELECT min(ended_at) AS at FROM leases WHERE ended_at IS NOT NULL",
		);
		return Math.min(record?.at ?? Infinity, lease.one().at ?? Infinity);
	}

	/** Writes the turn in one transaction. When this throws, nothing of it is remembered, in memory neither. */
	commit(draft: Draft, now: Seconds): void {
		if (isEmpty(draft)) return;
		this.#storage.transactionSync(() => {
			for (const account of draft.accounts.values()) this.#writeAccount(account);
			for (const lease of draft.leases.values()) this.#writeLease(lease);
			this.#writeRecords([...draft.records.values()], now);
			for (const row of draft.usage.values()) this.#writeUsage(row);
		});
		for (const account of draft.accounts.values()) this.#accounts.set(account.key, account);
		for (const lease of draft.leases.values()) this.#remember(lease);
	}

	record(id: string): RequestRecord | null {
		const [row] = this.#sql.exec<{ record: string }>("SELECT record FROM records WHERE id = ?", id);
		if (!row) return null;
		const record: RequestRecord = JSON.parse(row.record);
		return record;
	}

	/** The newest days first; at most USAGE_ROWS_MAX rows. */
	usage(query: UsageQuery): UsageRow[] {
		const conditions = [
			["day >= ?", query.from],
			["day <= ?", query.to],
			["key = ?", query.key],
			["model = ?", query.model],
			["pool = ?", query.pool],
		].filter((condition): condition is [string, string] => condition[1] !== undefined);
		const where = conditions.length > 0 ? `WHERE ${conditions.map(([sql]) => sql).join(" AND ")}` : "";
		const sql = `SELECT * FROM usage ${where} ORDER BY day DESC, key, model, pool LIMIT ${USAGE_ROWS_MAX}`;
		return this.#sql
			.exec<UsageRow & Record<string, string | number>>(sql, ...conditions.map(([, value]) => value))
			.toArray();
	}

	/** Forgets records and ended leases from before `before`, and the oldest records over `recordsMax`. Whether there may be more to forget. */
	purge(before: Seconds, recordsMax = RECORDS_MAX): boolean {
		const records = this.#sql.exec(
			`DELETE FROM records WHERE arrival IN (SELECT arrival FROM records ORDER BY arrival LIMIT ${PURGE_ROWS})
			 AND (settled_at < ? OR arrival <= (SELECT max(arrival) FROM records) - ?)`,
			before,
			recordsMax,
		);
		const leases = this.#sql.exec(
			`DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE ended_at < ? LIMIT ${PURGE_ROWS})`,
			before,
		);
		// Each deletion also touches indexes, so these counts are upper bounds.
		return records.rowsWritten >= PURGE_ROWS || leases.rowsWritten >= PURGE_ROWS;
	}

	#remember(lease: Lease): void {
		const { id, key } = lease;
		let ofKey = this.#live.get(key);
		if (lease.state === "live") {
			if (!ofKey) this.#live.set(key, (ofKey = new Map()));
			ofKey.set(id, lease);
			this.#keyOf.set(id, key);
			this.#soonest = Math.min(this.#soonest, lease.expiresAt);
		} else if (ofKey?.delete(id)) {
			this.#keyOf.delete(id);
			if (ofKey.size === 0) this.#live.delete(key);
		}
	}

	#writeAccount({ key, limits, day, spent, requests, tokens }: Account): void {
		this.#sql.exec(
			"INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			key,
			JSON.stringify(limits),
			day,
			spent.day,
			spent.month,
			spent.total,
			requests?.level ?? null,
			requests?.at ?? null,
			tokens?.level ?? null,
			tokens?.at ?? null,
		);
	}

	#writeLease({ id, key, holder, state, drawing, granted, held, expiresAt, endedAt, chargedDay }: Lease): void {
		this.#sql.exec(
			"INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			id,
			key,
			holder,
			state,
			drawing,
			JSON.stringify(granted),
			JSON.stringify(held),
			expiresAt,
			endedAt,
			chargedDay,
		);
	}

	/** Many rows a statement: a statement costs as much as its row does. */
	#writeRecords(records: readonly RequestRecord[], now: Seconds): void {
		for (let from = 0; from < records.length;) {
			const rows = records.length - from >= RECORDS_PER_INSERT ? RECORDS_PER_INSERT : 1;
			const values = records.slice(from, from + rows).flatMap((record) => [record.id, now, recordText(record)]);
			this.#sql.exec(INSERT_RECORDS[rows === 1 ? 0 : 1], ...values);
			from += rows;
		}
	}

	#writeUsage(row: UsageRow): void {
		this.#sql.exec(
			`INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			 ON CONFLICT (day, key, model, pool) DO UPDATE SET
				requests = requests + excluded.requests,
				prompt_tokens = prompt_tokens + excluded.prompt_tokens,
				cached_tokens = cached_tokens + excluded.cached_tokens,
				completion_tokens = completion_tokens + excluded.completion_tokens,
				cost_nano_usd = cost_nano_usd + excluded.cost_nano_usd,
				unconfirmed_nano_usd = unconfirmed_nano_usd + excluded.unconfirmed_nano_usd,
				start_nano_usd = start_nano_usd + excluded.start_nano_usd,
				hedge_nano_usd = hedge_nano_usd + excluded.hedge_nano_usd`,
			row.day,
			row.key,
			row.model,
			row.pool,
			row.requests,
			row.prompt_tokens,
			row.cached_tokens,
			row.completion_tokens,
			row.cost_nano_usd,
			row.unconfirmed_nano_usd,
			row.start_nano_usd,
			row.hedge_nano_usd,
		);
	}
}

type AccountRow = {
	key: string;
	limits: string;
	day: string;
	spent_day: number;
	spent_month: number;
	spent_total: number;
	requests_level: number | null;
	requests_at: number | null;
	tokens_level: number | null;
	tokens_at: number | null;
};

type LeaseRow = {
	id: string;
	key: string;
	holder: string;
	state: Lease["state"];
	drawing: Lease["drawing"];
	granted: string;
	held: string;
	expires_at: number;
	ended_at: number | null;
	charged_day: string | null;
};

function accountFrom(row: AccountRow): Account {
	const limits: KeyLimits = JSON.parse(row.limits);
	return {
		key: row.key,
		limits,
		day: row.day,
		spent: { day: row.spent_day, month: row.spent_month, total: row.spent_total },
		held: NOTHING,
		requests: bucketFrom(row.requests_level, row.requests_at),
		tokens: bucketFrom(row.tokens_level, row.tokens_at),
	};
}

function bucketFrom(level: number | null, at: number | null): Account["requests"] {
	return level === null || at === null ? null : { level, at };
}

function leaseFrom(row: LeaseRow): Lease {
	const granted: Amount = JSON.parse(row.granted);
	const held: Amount = JSON.parse(row.held);
	return {
		id: row.id,
		key: row.key,
		holder: row.holder,
		state: row.state,
		drawing: row.drawing,
		granted,
		held,
		expiresAt: row.expires_at,
		endedAt: row.ended_at,
		chargedDay: row.charged_day,
	};
}
