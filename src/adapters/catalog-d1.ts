import { drizzle } from "drizzle-orm/d1";
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

function causeOf(error: unknown): string {
	// drizzle's own message repeats the statement with its parameters; what D1 said is the cause below it.
	const inner = error instanceof Error && error.cause !== undefined ? error.cause : error;
	return inner instanceof Error && !inner.message.startsWith("Failed query") ? inner.message.slice(0, 500) : "unknown";
}
