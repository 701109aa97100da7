import type { SqlMigration } from "./sql-migrations.ts";

/** Append-only. */
export const schedulerMigrations: readonly SqlMigration[] = [
	{
		id: "001-kept",
		// One row a name: `catalog` (the last one seen, for when D1 is gone) and `learned`.
		sql: "CREATE TABLE kept (name TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID",
	},
];
