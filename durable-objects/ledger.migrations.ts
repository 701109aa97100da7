import type { SqlMigration } from "./sql-migrations.ts";

/** Amounts of money are integer nano-dollars; `granted` and `held` are an `Amount` as JSON; instants are Unix seconds.
 *  Records are purged in the order of their row ids, which is the order in which they came, so no index on time is kept.
 *  Usage is kept for ever: a tenant with 100 keys, 5 models and 3 pools each adds at most 1,500 rows (150 KB) a day. */
export const LEDGER_MIGRATIONS: readonly SqlMigration[] = [
	{
		id: "accounts-leases-records-usage",
		sql: `
			CREATE TABLE accounts (
				key TEXT PRIMARY KEY,
				limits TEXT NOT NULL,
				day TEXT NOT NULL,
				spent_day INTEGER NOT NULL,
				spent_month INTEGER NOT NULL,
				spent_total INTEGER NOT NULL,
				requests_level REAL,
				requests_at REAL,
				tokens_level REAL,
				tokens_at REAL
			) STRICT, WITHOUT ROWID;

			CREATE TABLE leases (
				id TEXT PRIMARY KEY,
				key TEXT NOT NULL,
				holder TEXT NOT NULL,
				state TEXT NOT NULL CHECK (state IN ('live', 'expired', 'ended')),
				drawing TEXT NOT NULL CHECK (drawing IN ('once', 'open', 'closed')),
				granted TEXT NOT NULL,
				held TEXT NOT NULL,
				expires_at REAL NOT NULL,
				ended_at REAL,
				charged_day TEXT
			) STRICT, WITHOUT ROWID;
			CREATE INDEX leases_live ON leases (id) WHERE state = 'live';
			CREATE INDEX leases_ended ON leases (ended_at) WHERE ended_at IS NOT NULL;

			CREATE TABLE records (
				arrival INTEGER PRIMARY KEY,
				id TEXT NOT NULL UNIQUE,
				settled_at REAL NOT NULL,
				record TEXT NOT NULL
			) STRICT;

			CREATE TABLE usage (
				day TEXT NOT NULL,
				key TEXT NOT NULL,
				model TEXT NOT NULL,
				pool TEXT NOT NULL,
				requests INTEGER NOT NULL,
				prompt_tokens INTEGER NOT NULL,
				cached_tokens INTEGER NOT NULL,
				completion_tokens INTEGER NOT NULL,
				cost_nano_usd INTEGER NOT NULL,
				unconfirmed_nano_usd INTEGER NOT NULL,
				PRIMARY KEY (day, key, model, pool)
			) STRICT, WITHOUT ROWID;
		`,
	},
	{
		id: "usage-of-starts",
		sql: "ALTER TABLE usage ADD COLUMN start_nano_usd INTEGER NOT NULL DEFAULT 0;",
	},
	{
		id: "usage-of-hedges",
		sql: "ALTER TABLE usage ADD COLUMN hedge_nano_usd INTEGER NOT NULL DEFAULT 0;",
	},
];
