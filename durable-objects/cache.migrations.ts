import type { SqlMigration } from "./sql-migrations.ts";

/** One row an answer; `bytes` is what it counts for, instants are Unix seconds. */
export const CACHE_MIGRATIONS: readonly SqlMigration[] = [
	{
		id: "answers",
		sql: `
			CREATE TABLE answers (
				key TEXT NOT NULL UNIQUE,
				content_type TEXT NOT NULL,
				model TEXT NOT NULL,
				body BLOB NOT NULL,
				bytes INTEGER NOT NULL,
				stored_at REAL NOT NULL,
				expires_at REAL NOT NULL,
				used_at REAL NOT NULL
			) STRICT;
			CREATE INDEX answers_used ON answers (used_at, bytes);
			CREATE INDEX answers_expiry ON answers (expires_at, bytes);
		`,
	},
];
