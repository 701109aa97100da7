import type { SqlMigration } from "./sql-migrations.ts";

/** Append-only. */
export const schedulerMigrations: readonly SqlMigration[] = [
	{
		id: "001-kept",
		// One row a name: `catalog` (the last one seen, for when D1 is gone), `learned`, `engine_marks`.
		sql: "CREATE TABLE kept (name TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID",
	},
	{
		id: "002-prefixes",
		// What a replica's prefix index held, newest blocks first, in parts of at most half a megabyte: two 32-bit words a block.
		sql: `CREATE TABLE prefixes (
			replica TEXT NOT NULL,
			part INTEGER NOT NULL,
			base_url TEXT NOT NULL,
			blocks BLOB NOT NULL,
			PRIMARY KEY (replica, part)
		)`,
	},
];
