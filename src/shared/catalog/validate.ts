import { isobarError, type IsobarError } from "../http/errors.ts";
import { CATALOG_BYTES_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import {
	checkModels,
	checkPools,
	checkRegionGroups,
	type CatalogContext,
	type CatalogParts,
	type Findings,
} from "./checks.ts";
import { checkRouters } from "./check-routers.ts";
import { problemsError, problemsFrom, type Problem } from "./problems.ts";
import { hostKey } from "./replica-url.ts";
import { catalogSchema, modelSchema, poolSchema, type Catalog, type Model } from "./schema.ts";

export interface ValidCatalog {
	readonly catalog: Catalog;
	readonly warnings: readonly Problem[];
}

/** Reads a catalog from the text of a PUT. Fails with `body_too_large`, `invalid_json`, or as `validateCatalog` does. */
export function parseCatalog(text: string, context: CatalogContext): Result<ValidCatalog, IsobarError> {
	const bytes = new TextEncoder().encode(text).length;
	if (bytes > CATALOG_BYTES_MAX) return err(catalogTooLarge());
	let document: unknown;
	try {
		document = JSON.parse(text);
	} catch (error) {
		return err(
			isobarError("invalid_json", `The catalog is not JSON: ${error instanceof Error ? error.message : "unreadable"}`),
		);
	}
	return validateCatalog(document, context);
}

export function catalogTooLarge(): IsobarError {
	return isobarError("body_too_large", `A catalog may have ${CATALOG_BYTES_MAX} bytes at most`, {
		details: { limit_bytes: CATALOG_BYTES_MAX },
	});
}

/** Checks a catalog as a whole: its shape, and what its parts say of one another and of the deployment. Fails with every
 *  problem at once: `secret_missing` when secrets are all that is missing, else `catalog_invalid`. What is doubtful but
 *  works comes back as warnings. */
export function validateCatalog(document: unknown, context: CatalogContext): Result<ValidCatalog, IsobarError> {
	const parsed = catalogSchema.safeParse(document);
	const parts = parsed.success ? wholeOf(parsed.data) : readableParts(document);
	const found: Findings = { problems: [], missingSecrets: [], warnings: [] };
	checkModels(parts.models, found);
	checkPools(parts, { ...context, ownHosts: new Set(context.ownHosts.map(hostKey)) }, found);

	if (parsed.success) {
		checkRegionGroups(parsed.data.region_groups ?? [], found);
		checkRouters(parsed.data, found);
	}
	const problems = [...(parsed.success ? [] : problemsFrom(parsed.error)), ...found.problems];
	if (!parsed.success || problems.length > 0) {
		return err(problemsError("catalog_invalid", "The catalog is not valid", [...problems, ...found.missingSecrets]));
	}
	if (found.missingSecrets.length > 0) {
		return err(problemsError("secret_missing", "The catalog names secrets that are not set", found.missingSecrets));
	}
	if (parsed.data.models.length === 0) {
		found.warnings.push({ path: "models", message: "there is no model: every prompt is answered with catalog_empty" });
	}
	return ok({ catalog: parsed.data, warnings: found.warnings });
}

function wholeOf(catalog: Catalog): CatalogParts {
	return { models: [...catalog.models.entries()], pools: [...catalog.pools.entries()], unreadable: [] };
}

/** What can be read of a document whose shape is wrong somewhere, so that the rest is checked all the same. */
function readableParts(document: unknown): CatalogParts {
	const models: [number, Model][] = [];
	const unreadable: string[] = [];
	for (const [index, each] of listOf(document, "models").entries()) {
		const model = modelSchema.safeParse(each);
		if (model.success) models.push([index, model.data]);
		else unreadable.push(String(memberOf(each, "id")));
	}
	const pools = [...listOf(document, "pools").entries()].flatMap(([index, each]) => {
		const pool = poolSchema.safeParse(each);
		return pool.success ? [[index, pool.data] as const] : [];
	});
	return { models, pools, unreadable };
}

function memberOf(value: unknown, name: string): unknown {
	return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function listOf(document: unknown, name: string): readonly unknown[] {
	const list = memberOf(document, name);
	return Array.isArray(list) ? list.slice(0, 500) : [];
}
