import { and, asc, eq, gt } from "drizzle-orm";
import { runs } from "../shared/catalog/tables.ts";
import type { IsobarError } from "../shared/http/errors.ts";
import type { Result } from "../shared/result.ts";
import type { Seconds } from "../shared/units.ts";
import { attempt, openCatalog, type CatalogDatabase } from "./catalog-d1.ts";

/** By what a repeated request is known. */
export interface RequestName {
	readonly key: string;
	/** Of what was asked for. */
	readonly digest: string;
}

export interface ListedRun {
	readonly id: string;
	readonly created_at: Seconds;
}

export interface AddedRun {
	/** Of the run that the key has, which is an older one if this is not new. */
	readonly id: string;
	readonly isNew: boolean;
	readonly digest: string | null;
}

/** Which runs there are, in D1. Every method fails with `catalog_unavailable` when D1 does. */
export class RunStore {
	readonly #db: CatalogDatabase;

	constructor(d1: D1Database) {
		this.#db = openCatalog(d1);
	}

	/** Notes a run; of a tenant's requests with the same key only the first. */
	add(id: string, tenant: string, request: RequestName | null, now: Seconds): Promise<Result<AddedRun, IsobarError>> {
		return attempt("add run", async () => {
			const row = { id, tenant, createdAt: Math.floor(now) };
			if (!request) {
				await this.#db.insert(runs).values(row);
				return { id, isNew: true, digest: null };
			}
			const named = { ...row, requestKey: request.key, requestDigest: request.digest };
			const target = [runs.tenant, runs.requestKey];
			const added = await this.#db
				.insert(runs)
				.values(named)
				.onConflictDoNothing({ target })
				.returning({ id: runs.id });
			if (added.length > 0) return { id, isNew: true, digest: request.digest };
			const same = and(eq(runs.tenant, tenant), eq(runs.requestKey, request.key));
			const known = await this.#db.select({ id: runs.id, digest: runs.requestDigest }).from(runs).where(same).get();
			if (!known) throw new Error("the run with this key was deleted just now");
			return { ...known, isNew: false };
		});
	}

	/** A tenant's runs with ids after one, in the order of their ids. */
	list(tenant: string, after: string, limit: number): Promise<Result<ListedRun[], IsobarError>> {
		return attempt("list runs", () =>
			this.#db
				.select({ id: runs.id, created_at: runs.createdAt })
				.from(runs)
				.where(and(eq(runs.tenant, tenant), gt(runs.id, after)))
				.orderBy(asc(runs.id))
				.limit(limit),
		);
	}

	remove(id: string): Promise<Result<unknown, IsobarError>> {
		return attempt("remove run", () => this.#db.delete(runs).where(eq(runs.id, id)));
	}
}
