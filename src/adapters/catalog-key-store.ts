import { and, eq, gt, isNull, sql, type SQL } from "drizzle-orm";
import type { Key, KeyInput } from "../shared/catalog/keys.ts";
import { keys } from "../shared/catalog/tables.ts";
import type { IsobarError } from "../shared/http/errors.ts";
import type { Result } from "../shared/result.ts";
import type { Seconds } from "../shared/units.ts";
import { attempt, openCatalog, type CatalogDatabase } from "./catalog-d1.ts";
import { keyFromRow } from "./catalog-rows.ts";

export interface NewKey {
	readonly id: string;
	/** SHA-256 of the key, hex. */
	readonly hash: string;
	/** What people recognise it by. */
	readonly display: string;
	readonly settings: KeyInput;
	readonly now: Seconds;
}

/** A key as an operator sees it: never its hash. */
export interface ListedKey extends Key {
	readonly display: string;
}

export interface KeyPage {
	readonly tenant?: string | undefined;
	/** Only ids after this one. */
	readonly after?: string | undefined;
	readonly limit: number;
}

const LISTED = {
	id: keys.id,
	display: keys.display,
	settings: keys.settings,
	createdAt: keys.createdAt,
	revokedAt: keys.revokedAt,
};

/** Evaluated inside the statement that writes, and D1 runs one of those at a time. */
const NEXT_REVISION: SQL = sql`(select coalesce(max(revision), 0) + 1 from keys)`;

/** The keys in D1. Every method fails with `catalog_unavailable` when D1 does. */
export class KeyStore {
	readonly #db: CatalogDatabase;

	constructor(d1: D1Database) {
		this.#db = openCatalog(d1);
	}

	insert({ id, hash, display, settings, now }: NewKey): Promise<Result<Key, IsobarError>> {
		return attempt("insert key", async () => {
			const row = {
				id,
				hash,
				display,
				tenant: settings.tenant,
				settings: JSON.stringify(settings),
				createdAt: Math.floor(now),
				revokedAt: null,
			};
			await this.#db.insert(keys).values({ ...row, revision: NEXT_REVISION });
			return keyFromRow(row);
		});
	}

	/** Oldest first. */
	list({ tenant, after, limit }: KeyPage): Promise<Result<ListedKey[], IsobarError>> {
		return attempt("list keys", async () => {
			const rows = await this.#db
				.select(LISTED)
				.from(keys)
				.where(and(tenant === undefined ? undefined : eq(keys.tenant, tenant), gt(keys.id, after ?? "")))
				.orderBy(keys.id)
				.limit(limit);
			return rows.map(listedFromRow);
		});
	}

	/** The key as it now is, null where there is none. A key that was revoked before keeps the time it had. */
	revoke(id: string, now: Seconds): Promise<Result<ListedKey | null, IsobarError>> {
		return attempt("revoke key", async () => {
			const [, rows] = await this.#db.batch([
				this.#db
					.update(keys)
					.set({ revokedAt: Math.floor(now), revision: NEXT_REVISION })
					.where(and(eq(keys.id, id), isNull(keys.revokedAt))),
				this.#db.select(LISTED).from(keys).where(eq(keys.id, id)),
			]);
			const [row] = rows;
			return row ? listedFromRow(row) : null;
		});
	}
}

function listedFromRow(row: Parameters<typeof keyFromRow>[0] & { readonly display: string }): ListedKey {
	return { ...keyFromRow(row), display: row.display };
}
