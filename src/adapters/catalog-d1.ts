import { drizzle } from "drizzle-orm/d1";
import { keyInputSchema, type Key } from "../shared/catalog/keys.ts";
import { catalogSchema, type Catalog } from "../shared/catalog/schema.ts";
import type { keys } from "../shared/catalog/tables.ts";
import { isobarError, type IsobarError } from "../shared/http/errors.ts";
import { err, ok, type Result } from "../shared/result.ts";

export type CatalogDatabase = ReturnType<typeof openCatalog>;

export function openCatalog(d1: D1Database) {
	return drizzle(d1);
}

/** Runs what reads or writes D1. Whatever D1 throws, and a stored document that this code cannot read, becomes
 *  `catalog_unavailable`; the cause is logged without the statement's parameters, among which are hashes of keys. */
export async function attempt<T>(operation: string, work: () => Promise<T>): Promise<Result<T, IsobarError>> {
	try {
		return ok(await work());
	} catch (error) {
		console.error(JSON.stringify({ event: "catalog_unavailable", operation, cause: causeOf(error) }));
		return err(isobarError("catalog_unavailable", "The catalog cannot be reached", { retryAfter: 1 }));
	}
}

/** Parsed anew, so that a document stored by older code gets the defaults of fields that it does not know. */
export function catalogFromText(text: string): Catalog {
	return catalogSchema.parse(JSON.parse(text));
}

export function keyFromRow(row: Pick<typeof keys.$inferSelect, "id" | "settings" | "createdAt" | "revokedAt">): Key {
	const settings = keyInputSchema.parse(JSON.parse(row.settings));
	return { ...settings, id: row.id, created_at: row.createdAt, revoked_at: row.revokedAt };
}

function causeOf(error: unknown): string {
	// drizzle's own message repeats the statement with its parameters; what D1 said is the cause below it.
	const inner = error instanceof Error && error.cause !== undefined ? error.cause : error;
	return inner instanceof Error && !inner.message.startsWith("Failed query") ? inner.message.slice(0, 500) : "unknown";
}
