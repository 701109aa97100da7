import { keyInputSchema, type Key } from "../shared/catalog/keys.ts";
import { catalogSchema, type Catalog } from "../shared/catalog/schema.ts";
import type { keys } from "../shared/catalog/tables.ts";

/** Parsed anew, so that a document stored by older code gets the defaults of fields that it does not know. */
export function catalogFromText(text: string): Catalog {
	return catalogSchema.parse(JSON.parse(text));
}

export function keyFromRow(row: Pick<typeof keys.$inferSelect, "id" | "settings" | "createdAt" | "revokedAt">): Key {
	const settings = keyInputSchema.parse(JSON.parse(row.settings));
	return { ...settings, id: row.id, created_at: row.createdAt, revoked_at: row.revokedAt };
}
