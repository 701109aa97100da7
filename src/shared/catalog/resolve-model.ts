import { isobarError, type IsobarError } from "../http/errors.ts";
import { err, type Result } from "../result.ts";
import type { Key } from "./keys.ts";
import { findModel, type CatalogModel, type CatalogSnapshot } from "./snapshot.ts";

/** The model that a key may name under this name or alias. */
export function resolveModel(snapshot: CatalogSnapshot, name: string, key: Key): Result<CatalogModel, IsobarError> {
	const allowed = key.allowed_models;
	const mayUse = (id: string): boolean => allowed === undefined || allowed.includes(id);
	const found = findModel(snapshot, name, mayUse);
	if (!found.ok || mayUse(found.value.id)) return found;
	const message = `The key ${key.id} may not use the model ${JSON.stringify(found.value.id)}; it may use: ${allowed?.join(", ")}.`;
	return err(isobarError("model_not_allowed", message, { param: "model", details: { allowed } }));
}
