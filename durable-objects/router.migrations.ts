import type { SqlMigration } from "./sql-migrations.ts";

/** Instants are Unix seconds, money is integer nano-dollars. An outcome's `moves` is 1 where it may move an estimate; the others go
 *  into `observed` when no further word about their requests can come. */
export const ROUTER_MIGRATIONS: readonly SqlMigration[] = [
	{
		id: "outcomes-labels-versions-spending",
		sql: `
			CREATE TABLE outcomes (
				arrival INTEGER PRIMARY KEY AUTOINCREMENT,
				request TEXT NOT NULL,
				source TEXT NOT NULL,
				over_request TEXT NOT NULL,
				at REAL NOT NULL,
				moves INTEGER NOT NULL,
				outcome TEXT NOT NULL,
				UNIQUE (request, source, over_request)
			) STRICT;
			CREATE INDEX outcomes_moves ON outcomes (moves, arrival);

			CREATE TABLE observed (
				model TEXT PRIMARY KEY,
				n INTEGER NOT NULL,
				s REAL NOT NULL
			) STRICT, WITHOUT ROWID;

			CREATE TABLE labels (
				position INTEGER PRIMARY KEY,
				label TEXT NOT NULL
			) STRICT;

			CREATE TABLE versions (
				model TEXT PRIMARY KEY,
				version TEXT NOT NULL,
				since REAL NOT NULL
			) STRICT, WITHOUT ROWID;

			CREATE TABLE spending (
				id TEXT PRIMARY KEY,
				day TEXT NOT NULL,
				held INTEGER NOT NULL,
				paid INTEGER
			) STRICT, WITHOUT ROWID;
			CREATE INDEX spending_day ON spending (day);

			CREATE TABLE facts (
				name TEXT PRIMARY KEY,
				value REAL NOT NULL
			) STRICT, WITHOUT ROWID;
		`,
	},
];
