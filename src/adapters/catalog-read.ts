import { and, asc, eq, gt, ne, sql } from "drizzle-orm";
import type { Catalog } from "../shared/catalog/schema.ts";
import { catalogVersions, keys } from "../shared/catalog/tables.ts";
import type { IsobarError } from "../shared/http/errors.ts";
import type { Result } from "../shared/result.ts";
import { attempt, openCatalog } from "./catalog-d1.ts";
import type { CatalogMark, CatalogRead } from "./catalog-source.ts";

/** More changes than this are not carried over one by one; the reader forgets its keys instead. */
const CHANGES_MAX = 500;

/** What is new in D1 since `since`, and the key of that hash, in one batch, which sees one state of the database. */
export function readCatalog(
	d1: D1Database,
	since: CatalogMark | null,
	hash: string | null,
): Promise<Result<CatalogRead, IsobarError>> {
	return attempt("read", async () => {
		const db = openCatalog(d1);
		const current = sql<number>`(select coalesce(max(version), 0) from catalog_versions)`;
		const latest = sql<number>`(select coalesce(max(revision), 0) from keys)`;
		const isCurrent = eq(catalogVersions.version, current);
		const batch = db.batch([
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
		// The schemas are built while D1 is at work.
		const [[marks, documents, changes, found], { catalogFromText, keyFromRow }] = await Promise.all([
			batch,
			import("./catalog-rows.ts"),
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

/** No row came: nothing is new, or there never was a catalog. */
function sameOrEmpty(since: CatalogMark | null, mark: CatalogMark): Catalog | null {
	return since?.version === mark.version ? null : { models: [], pools: [] };
}
