import type { SqlMigration } from "./sql-migrations.ts";

/** Blobs are rows of at most 2^18 parameters, 1 MiB. They stand behind the small columns, so that those are read without them, and
 *  in tables keyed by one integer, since a blob in an index is read slowly. Instants are Unix seconds. */
export const SHARD_MIGRATIONS: readonly SqlMigration[] = [
	{
		id: "uploads-versions",
		sql: `
			CREATE TABLE shard (
				only INTEGER PRIMARY KEY CHECK (only = 1),
				run TEXT NOT NULL,
				shard INTEGER NOT NULL,
				begin_at INTEGER NOT NULL,
				end_at INTEGER NOT NULL
			) STRICT;

			CREATE TABLE uploads (
				upload INTEGER PRIMARY KEY AUTOINCREMENT,
				update_id TEXT NOT NULL,
				part INTEGER NOT NULL,
				encoding TEXT NOT NULL,
				begin_at INTEGER NOT NULL,
				end_at INTEGER NOT NULL,
				state TEXT NOT NULL CHECK (state IN ('arriving', 'staged', 'sealed', 'dead')),
				digest TEXT,
				square_norm REAL,
				at REAL NOT NULL
			) STRICT;
			CREATE UNIQUE INDEX uploads_whole ON uploads (update_id, encoding, begin_at) WHERE state IN ('staged', 'sealed');
			CREATE INDEX uploads_passing ON uploads (state, at) WHERE state IN ('arriving', 'staged', 'dead');

			CREATE TABLE staged_rows (
				id INTEGER PRIMARY KEY,
				square_norm REAL NOT NULL,
				bytes BLOB NOT NULL
			) STRICT;

			CREATE TABLE versions (
				version INTEGER PRIMARY KEY,
				attempt INTEGER NOT NULL,
				state TEXT NOT NULL CHECK (state IN ('making', 'made', 'failed', 'dropped')),
				plan TEXT NOT NULL,
				next_row INTEGER NOT NULL,
				fault TEXT
			) STRICT;

			CREATE TABLE weight_rows (
				id INTEGER PRIMARY KEY,
				digest BLOB NOT NULL,
				bytes BLOB NOT NULL
			) STRICT;

			CREATE TABLE optimiser_rows (
				id INTEGER PRIMARY KEY,
				bytes BLOB NOT NULL
			) STRICT;
		`,
	},
	{
		id: "grams",
		sql: `
			CREATE TABLE grams (
				version INTEGER PRIMARY KEY,
				attempt INTEGER NOT NULL,
				state TEXT NOT NULL CHECK (state IN ('summing', 'summed', 'failed', 'dropped')),
				updates TEXT NOT NULL,
				next_row INTEGER NOT NULL,
				fault TEXT,
				products BLOB NOT NULL
			) STRICT;
		`,
	},
	{
		id: "release-calls",
		sql: "ALTER TABLE shard ADD COLUMN released_call INTEGER NOT NULL DEFAULT 0;",
	},
];
