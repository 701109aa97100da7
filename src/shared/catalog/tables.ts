import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Every catalog that was ever in force; the highest version is the current one. Rows are only ever added: rolling back
 *  adds the old document under a new version. */
export const catalogVersions = sqliteTable("catalog_versions", {
	version: integer().primaryKey(),
	/** The catalog as JSON, defaults filled in. */
	document: text().notNull(),
	/** Unix seconds. */
	createdAt: integer("created_at").notNull(),
	origin: text({ enum: ["put", "rollback"] }).notNull(),
	/** For a rollback, the version whose document it is. */
	rolledBackTo: integer("rolled_back_to"),
	note: text().notNull().default(""),
});

/** The keys. Rows are never deleted: a revoked key must still be told apart from one that never was. */
export const keys = sqliteTable(
	"keys",
	{
		id: text().primaryKey(),
		/** SHA-256 of the key, hex. */
		hash: text().notNull().unique(),
		tenant: text().notNull(),
		/** The start of the key, for people to recognise it by. */
		display: text().notNull(),
		/** A `KeyInput` as JSON, defaults filled in. */
		settings: text().notNull(),
		/** Unix seconds. */
		createdAt: integer("created_at").notNull(),
		revokedAt: integer("revoked_at"),
		/** Rises by one with every change of any key, so that one look at the highest tells an isolate whether what it holds
		 *  of all keys is still true. */
		revision: integer().notNull().unique(),
	},
	(table) => [index("keys_tenant").on(table.tenant, table.id)],
);

/** Which federated runs a tenant has. What a run is stands in its own object; a row without one is of a creation that broke off. */
export const runs = sqliteTable(
	"runs",
	{
		id: text().primaryKey(),
		tenant: text().notNull(),
		/** Unix seconds. */
		createdAt: integer("created_at").notNull(),
		/** The `Idempotency-Key` of the request that made it, if it had one. */
		requestKey: text("request_key"),
		/** Digest of the specification that came with that key. */
		requestDigest: text("request_digest"),
	},
	(table) => [
		index("runs_tenant").on(table.tenant, table.id),
		uniqueIndex("runs_request").on(table.tenant, table.requestKey),
	],
);
