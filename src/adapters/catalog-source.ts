import type { Key } from "../shared/catalog/keys.ts";
import type { Catalog } from "../shared/catalog/schema.ts";
import type { IsobarError } from "../shared/http/errors.ts";
import type { Result } from "../shared/result.ts";

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

/** Reads D1. */
export class D1CatalogSource implements CatalogSource {
	readonly #d1: D1Database;

	constructor(d1: D1Database) {
		this.#d1 = d1;
	}

	async read(since: CatalogMark | null, hash: string | null): Promise<Result<CatalogRead, IsobarError>> {
		// Loaded with the first read: statements and schemas take longer to build than all else that an isolate needs to start.
		const { readCatalog } = await import("./catalog-read.ts");
		return readCatalog(this.#d1, since, hash);
	}
}
