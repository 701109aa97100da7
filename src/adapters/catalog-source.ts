import { and, asc, eq, gt, ne, sql } from "drizzle-orm";
import type { Key } from "../shared/catalog/keys.ts";
import type { Catalog } from "../shared/catalog/schema.ts";
import { catalogVersions, keys } from "../shared/catalog/tables.ts";
import type { IsobarError } from "../shared/http/errors.ts";
import type { Result } from "../shared/result.ts";
import { attempt, catalogFromText, keyFromRow, openCatalog, type CatalogDatabase } from "./catalog-d1.ts";

/** How far a reader has read: the catalog's version, and the revision up to which it knows of changes to keys. */
export interface CatalogMark {
	readonly version: number;
	readonly revision: number;
}

/** What one round trip brings. */
export interface CatalogRead {
	readonly mark: CatalogMark;
	/** Null: the version is the one that the reader has. */
	readonly catalog: Catalog | null;
	/** Keys that changed since the reader's mark; null: it had none, or too many did, or D1 was set back. */
	readonly changed: readonly ChangedKey[] | null;
	/** The key that was asked for; null: none was, or there is none. */
	readonly key: Key | null;
}

export interface ChangedKey {
	readonly hash: string;
	readonly key: Key;
}

/** Where an isolate reads the catalog and keys from. */
export interface CatalogSource {
	/** What is new since `since`, and the key of that hash, in one round trip. */
	read(since: CatalogMark | null, hash: string | null): Promise<Result<CatalogRead, IsobarError>>;
}

/** More changes than this are not carried over one by one; the reader forgets its keys instead. */
const CHANGES_MAX = 500;

/** Reads D1 in one batch, which sees one state of the database. */
export class D1CatalogSource implements CatalogSource {
	readonly #db: CatalogDatabase;

	constructor(d1: D1Database) {
		this.#db = openCatalog(d1);
	}

	read(since: CatalogMark | null, hash: string | null): Promise<Result<CatalogRead, IsobarError>> {
		return attempt("read", async () => {
			const db = this.#db;
			const current = sql<number>`(select coalesce(max(version), 0) from catalog_versions)`;
			const latest = sql<number>`(select coalesce(max(revision), 0) from keys)`;
			const isCurrent = eq(catalogVersions.version, current);
			const [marks, documents, changes, found] = await db.batch([
				db.select({ version: current.as("version"), revision: latest.as("revision") }).from(sql`(select 1)`),
				db
					.select({ document: catalogVersions.document })
					.from(catalogVersions)
					.where(and(isCurrent, ne(catalogVersions.version, since?.version ?? 0))),
				db
					.select()
					.from(keys)
					.where(gt(keys.revision, since?.revision ?? Number.MAX_SAFE_INTEGER))
					.orderBy(asc(keys.revision))
					.limit(CHANGES_MAX + 1),
				db
					.select()
					.from(keys)
					.where(eq(keys.hash, hash ?? "")),
			]);
			const mark = marks[0] ?? { version: 0, revision: 0 };
			const [document] = documents;
			const known = since !== null && mark.revision >= since.revision && changes.length <= CHANGES_MAX;
			const [row] = found;
			return {
				mark,
				catalog: document ? catalogFromText(document.document) : sameOrEmpty(since, mark),
				changed: known ? changes.map((change) => ({ hash: change.hash, key: keyFromRow(change) })) : null,
				key: row ? keyFromRow(row) : null,
			};
		});
	}
}

/** No row came: nothing is new, or there never was a catalog. */
function sameOrEmpty(since: CatalogMark | null, mark: CatalogMark): Catalog | null {
	return since?.version === mark.version ? null : { models: [], pools: [] };
}
