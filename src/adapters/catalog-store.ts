import { desc, eq, lt, sql } from "drizzle-orm";
import type { Catalog } from "../shared/catalog/schema.ts";
import { catalogVersions } from "../shared/catalog/tables.ts";
import { isobarError, type IsobarError } from "../shared/http/errors.ts";
import { err, ok, type Result } from "../shared/result.ts";
import type { Seconds } from "../shared/units.ts";
import { attempt, openCatalog, type CatalogDatabase } from "./catalog-d1.ts";
import { catalogFromText } from "./catalog-rows.ts";

/** Where a version came from. */
export interface VersionInfo {
	readonly version: number;
	readonly created_at: Seconds;
	readonly origin: "put" | "rollback";
	/** For a rollback, the version whose document it is. */
	readonly rolled_back_to: number | null;
	readonly note: string;
}

export interface StoredCatalog {
	/** Zero where there is none yet. */
	readonly version: number;
	readonly catalog: Catalog;
}

export interface NewVersion {
	readonly catalog: Catalog;
	/** The version that it was compared with; the new one is the next. */
	readonly basedOn: number;
	readonly rolledBackTo?: number;
	readonly note?: string;
	readonly now: Seconds;
}

const NONE: StoredCatalog = { version: 0, catalog: { models: [], pools: [] } };

const INFO = {
	version: catalogVersions.version,
	created_at: catalogVersions.createdAt,
	origin: catalogVersions.origin,
	rolled_back_to: catalogVersions.rolledBackTo,
	note: catalogVersions.note,
};

/** The catalog's versions in D1. Every method fails with `catalog_unavailable` when D1 does. */
export class CatalogStore {
	readonly #db: CatalogDatabase;

	constructor(d1: D1Database) {
		this.#db = openCatalog(d1);
	}

	/** The catalog in force; version 0, empty, before the first. */
	current(): Promise<Result<StoredCatalog, IsobarError>> {
		return attempt("current", async () => {
			const rows = this.#db.select().from(catalogVersions);
			const row = await rows.orderBy(desc(catalogVersions.version)).limit(1).get();
			return row ? { version: row.version, catalog: catalogFromText(row.document) } : NONE;
		});
	}

	/** The catalog of that version; null where there is none. */
	version(version: number): Promise<Result<StoredCatalog | null, IsobarError>> {
		return attempt("version", async () => {
			const row = await this.#db.select().from(catalogVersions).where(eq(catalogVersions.version, version)).get();
			return row ? { version: row.version, catalog: catalogFromText(row.document) } : null;
		});
	}

	/** Newest first, those before version `before`. */
	list(limit: number, before?: number): Promise<Result<VersionInfo[], IsobarError>> {
		return attempt("list", () =>
			this.#db
				.select(INFO)
				.from(catalogVersions)
				.where(before === undefined ? undefined : lt(catalogVersions.version, before))
				.orderBy(desc(catalogVersions.version))
				.limit(limit),
		);
	}

	/** Makes the next version and answers its number; `catalog_conflict` when `basedOn` is no longer, or never was, the
	 *  current one. Comparison and insertion are one statement, so of two at once one is refused. */
	async put(next: NewVersion): Promise<Result<number, IsobarError>> {
		const version = next.basedOn + 1;
		const origin = next.rolledBackTo === undefined ? "put" : "rollback";
		const values = sql`${version}, ${JSON.stringify(next.catalog)}, ${Math.floor(next.now)}, ${origin}, ${next.rolledBackTo ?? null}, ${next.note ?? ""}`;
		const isCurrent = sql`(select coalesce(max(version), 0) from catalog_versions) = ${next.basedOn}`;
		const made = await attempt("put", () =>
			this.#db
				.insert(catalogVersions)
				.select(sql`select ${values} where ${isCurrent}`)
				.returning({ version: catalogVersions.version }),
		);
		if (!made.ok) return made;
		return made.value.length === 1 ? ok(version) : err(catalogConflict(next.basedOn));
	}
}

export function catalogConflict(basedOn: number): IsobarError {
	const message = `The catalog is no longer at version ${basedOn}: another change came first. Read it again and repeat yours`;
	return isobarError("catalog_conflict", message);
}
