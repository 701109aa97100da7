import type { SqlMigration } from "./sql-migrations.ts";

/** Instants are Unix seconds, digests hex. What an update was answered is never deleted but with the run, at some 300 bytes each. */
export const RUN_MIGRATIONS: readonly SqlMigration[] = [
	{
		id: "runs",
		sql: `
			CREATE TABLE run (
				only INTEGER PRIMARY KEY CHECK (only = 1),
				id TEXT NOT NULL,
				tenant TEXT NOT NULL,
				created_at REAL NOT NULL,
				specification TEXT NOT NULL,
				state TEXT NOT NULL,
				weights_file TEXT,
				collect_due INTEGER NOT NULL DEFAULT 0,
				deleting INTEGER NOT NULL DEFAULT 0
			) STRICT;

			CREATE TABLE manifest (
				piece INTEGER PRIMARY KEY,
				text TEXT NOT NULL
			) STRICT;

			CREATE TABLE invitations (
				id TEXT PRIMARY KEY,
				token_hash TEXT NOT NULL UNIQUE,
				label TEXT NOT NULL,
				uses INTEGER NOT NULL,
				used INTEGER NOT NULL,
				weight_cap REAL,
				created_at REAL NOT NULL,
				expires_at REAL NOT NULL
			) STRICT, WITHOUT ROWID;

			CREATE TABLE members (
				client TEXT PRIMARY KEY,
				public_key TEXT NOT NULL UNIQUE,
				name TEXT NOT NULL,
				invitation TEXT NOT NULL,
				joined_at REAL NOT NULL,
				state TEXT NOT NULL CHECK (state IN ('active', 'expelled')),
				weight_cap REAL,
				weight REAL,
				loss REAL,
				reported_loss REAL,
				turnaround REAL,
				turnarounds INTEGER NOT NULL DEFAULT 0,
				asked_at REAL NOT NULL,
				tasks INTEGER NOT NULL DEFAULT 0,
				accepted INTEGER NOT NULL DEFAULT 0,
				refused INTEGER NOT NULL DEFAULT 0,
				examples REAL NOT NULL DEFAULT 0
			) STRICT, WITHOUT ROWID;
			CREATE INDEX members_asked ON members (asked_at) WHERE state = 'active';

			CREATE TABLE nonces (
				key TEXT NOT NULL,
				nonce TEXT NOT NULL,
				expires_at REAL NOT NULL,
				PRIMARY KEY (key, nonce)
			) STRICT, WITHOUT ROWID;
			CREATE INDEX nonces_expiry ON nonces (expires_at);

			CREATE TABLE tickets (
				ticket_hash TEXT PRIMARY KEY,
				client TEXT NOT NULL,
				expires_at REAL NOT NULL
			) STRICT, WITHOUT ROWID;

			CREATE TABLE tasks (
				client TEXT PRIMARY KEY,
				id TEXT NOT NULL UNIQUE,
				round INTEGER NOT NULL,
				base INTEGER NOT NULL,
				issued_at REAL NOT NULL,
				deadline REAL NOT NULL,
				released INTEGER NOT NULL DEFAULT 0
			) STRICT, WITHOUT ROWID;

			CREATE INDEX tasks_open ON tasks (deadline) WHERE released = 0;

			CREATE TABLE updates (
				id TEXT PRIMARY KEY,
				client TEXT NOT NULL,
				status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'refused')),
				task_round INTEGER NOT NULL,
				round INTEGER NOT NULL,
				base INTEGER NOT NULL,
				version INTEGER,
				reason TEXT,
				committed_at REAL NOT NULL,
				weight REAL,
				examples REAL,
				steps INTEGER,
				loss REAL,
				square_norm REAL,
				turnaround REAL,
				encoding TEXT,
				digest TEXT,
				metrics TEXT
			) STRICT, WITHOUT ROWID;
			CREATE INDEX updates_pending ON updates (round) WHERE status = 'pending';
			CREATE INDEX updates_task_round ON updates (task_round);
			CREATE INDEX updates_version ON updates (version) WHERE status = 'accepted';
			CREATE INDEX updates_client ON updates (client, round);

			CREATE TABLE rounds (
				round INTEGER PRIMARY KEY,
				opened_at REAL NOT NULL,
				closed_at REAL,
				extended INTEGER NOT NULL DEFAULT 0,
				tasks INTEGER NOT NULL DEFAULT 0,
				refused INTEGER NOT NULL DEFAULT 0,
				version INTEGER,
				summary TEXT
			) STRICT;

			CREATE TABLE versions (
				version INTEGER PRIMARY KEY,
				kind TEXT NOT NULL CHECK (kind IN ('initial', 'flush', 'rollback')),
				state TEXT NOT NULL CHECK (state IN ('making', 'made', 'collected', 'failed')),
				parent INTEGER,
				step INTEGER NOT NULL,
				round INTEGER NOT NULL,
				plan TEXT,
				begun_at REAL NOT NULL,
				made_at REAL,
				digest TEXT,
				link TEXT
			) STRICT;
			CREATE INDEX versions_digest ON versions (digest);
			CREATE INDEX versions_kept ON versions (version) WHERE state = 'made';

			CREATE TABLE made_shards (
				version INTEGER NOT NULL,
				shard INTEGER NOT NULL,
				row_digests BLOB NOT NULL,
				PRIMARY KEY (version, shard)
			) STRICT, WITHOUT ROWID;

			CREATE TABLE releases (
				update_id TEXT PRIMARY KEY
			) STRICT, WITHOUT ROWID;

			CREATE TABLE events (
				seq INTEGER PRIMARY KEY AUTOINCREMENT,
				at REAL NOT NULL,
				kind TEXT NOT NULL,
				data TEXT NOT NULL
			) STRICT;
		`,
	},
	{
		id: "grams",
		sql: `
			CREATE TABLE grams (
				version INTEGER PRIMARY KEY,
				context TEXT NOT NULL
			) STRICT;

			CREATE TABLE gram_shards (
				version INTEGER NOT NULL,
				shard INTEGER NOT NULL,
				products BLOB NOT NULL,
				PRIMARY KEY (version, shard)
			) STRICT, WITHOUT ROWID;
		`,
	},
	{
		id: "release-calls",
		sql: `
			ALTER TABLE run ADD COLUMN release_calls INTEGER NOT NULL DEFAULT 0;
			ALTER TABLE releases ADD COLUMN after_call INTEGER NOT NULL DEFAULT 0;
		`,
	},
];
