import { Hono, type Context } from "hono";
import * as z from "zod";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { credentialOf } from "../../src/adapters/credentials.ts";
import { catalogConflict, CatalogStore, type StoredCatalog } from "../../src/adapters/catalog-store.ts";
import type { CatalogContext } from "../../src/shared/catalog/checks.ts";
import { diffCatalogs, type CatalogDiff } from "../../src/shared/catalog/diff.ts";
import type { Problem } from "../../src/shared/catalog/problems.ts";
import type { Catalog } from "../../src/shared/catalog/schema.ts";
import { unknownCards } from "../../src/shared/catalog/unknown-cards.ts";
import {
	catalogTooLarge,
	parseCatalog,
	validateCatalog,
	type ValidCatalog,
} from "../../src/shared/catalog/validate.ts";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { CATALOG_BYTES_MAX } from "../../src/shared/limits.ts";
import { gpuByName } from "../../src/shared/perf/gpus.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { flag, readJson, readQuery, readText, versionTag, whole } from "./request.ts";

type AdminContext = Context<{ Bindings: Env }>;

/** What a PUT and a rollback answer. `version` is the one in force afterwards, in a dry run the one that would have been
 *  made. A catalog that is in force already makes no new version. */
interface Applied {
	readonly version: number;
	readonly dry_run: boolean;
	readonly diff: CatalogDiff;
	readonly warnings: readonly Problem[];
}

interface Change extends ValidCatalog {
	readonly current: StoredCatalog;
	readonly rolledBackTo?: number;
	readonly note: string;
	readonly dryRun: boolean;
}

const VERSION_MAX = 999_999_999;
const note = z.string().max(500);
const putQuery = z.strictObject({ dry_run: flag, note: note.default("") });
const getQuery = z.strictObject({ version: whole(1, VERSION_MAX).optional() });
const listQuery = z.strictObject({
	limit: whole(1, 1_000).default(100),
	before: whole(1, VERSION_MAX).optional(),
});
const rollbackQuery = z.strictObject({ dry_run: flag });
const rollbackBody = z.strictObject({ version: z.number().int().min(1).max(VERSION_MAX), note: note.default("") });

/** The declarative catalog: `/catalog`, `/catalog/versions`, `/catalog/rollback`. */
export const catalogRoutes = new Hono<{ Bindings: Env }>()
	.put("/catalog", async (c) => answer(c, await put(c)))
	.get("/catalog", async (c) => {
		const found = await get(c);
		if (!found.ok) return errorResponse(found.error);
		const { version, catalog } = found.value;
		const seen = versionTag(c.req.header("if-none-match"));
		c.header("etag", `"${version}"`);
		c.header("x-isobar-catalog-version", String(version));
		if (seen.ok && seen.value === version) return c.body(null, 304);
		return c.json(catalog);
	})
	.get("/catalog/versions", async (c) => {
		const query = readQuery(c.req.query(), listQuery);
		if (!query.ok) return errorResponse(query.error);
		const { limit, before } = query.value;
		const rows = await new CatalogStore(c.env.CATALOG).list(limit + 1, before);
		if (!rows.ok) return errorResponse(rows.error);
		return c.json({ object: "list", data: rows.value.slice(0, limit), has_more: rows.value.length > limit });
	})
	.post("/catalog/rollback", async (c) => answer(c, await rollback(c)));

async function get(c: AdminContext): Promise<Result<StoredCatalog, IsobarError>> {
	const query = readQuery(c.req.query(), getQuery);
	if (!query.ok) return query;
	const store = new CatalogStore(c.env.CATALOG);
	return query.value.version === undefined ? store.current() : versionOf(store, query.value.version);
}

async function put(c: AdminContext): Promise<Result<Applied, IsobarError>> {
	const query = readQuery(c.req.query(), putQuery);
	if (!query.ok) return query;
	const text = await readText(c.req.raw, CATALOG_BYTES_MAX, catalogTooLarge());
	if (!text.ok) return text;
	const valid = parseCatalog(text.value, contextOf(c));
	if (!valid.ok) return valid;
	const current = await currentOf(c);
	if (!current.ok) return current;
	const { dry_run: dryRun, note } = query.value;
	return apply(c, { ...valid.value, current: current.value, note, dryRun });
}

async function rollback(c: AdminContext): Promise<Result<Applied, IsobarError>> {
	const query = readQuery(c.req.query(), rollbackQuery);
	if (!query.ok) return query;
	const body = await readJson(c.req.raw, rollbackBody);
	if (!body.ok) return body;
	const current = await currentOf(c);
	if (!current.ok) return current;
	const old = await versionOf(new CatalogStore(c.env.CATALOG), body.value.version);
	if (!old.ok) return old;
	// The deployment may have changed since: a secret that was set then may be gone.
	const valid = validateCatalog(old.value.catalog, contextOf(c));
	if (!valid.ok) return valid;
	const { version: rolledBackTo, note } = body.value;
	return apply(c, { ...valid.value, current: current.value, rolledBackTo, note, dryRun: query.value.dry_run });
}

/** The catalog in force; `catalog_conflict` when the caller's `If-Match` names another version. */
async function currentOf(c: AdminContext): Promise<Result<StoredCatalog, IsobarError>> {
	const expected = versionTag(c.req.header("if-match"));
	if (!expected.ok) return expected;
	const current = await new CatalogStore(c.env.CATALOG).current();
	if (!current.ok) return current;
	const isExpected = expected.value === null || expected.value === current.value.version;
	return isExpected ? current : err(catalogConflict(expected.value ?? 0));
}

async function versionOf(store: CatalogStore, version: number): Promise<Result<StoredCatalog, IsobarError>> {
	const found = await store.version(version);
	if (!found.ok) return found;
	if (found.value) return ok(found.value);
	return err(isobarError("not_found", `There is no catalog version ${version}`, { param: "version" }));
}

async function apply(c: AdminContext, change: Change): Promise<Result<Applied, IsobarError>> {
	const { catalog, current, dryRun } = change;
	const warnings = change.warnings.concat(await cardWarnings(c, catalog));
	const done = { dry_run: dryRun, diff: diffCatalogs(current.catalog, catalog), warnings };
	const isInForce = current.version > 0 && JSON.stringify(catalog) === JSON.stringify(current.catalog);
	if (isInForce) return ok({ version: current.version, ...done });
	if (dryRun) return ok({ version: current.version + 1, ...done });
	const { rolledBackTo, note } = change;
	const made = await new CatalogStore(c.env.CATALOG).put({
		catalog,
		basedOn: current.version,
		...(rolledBackTo !== undefined && { rolledBackTo }),
		note,
		now: Date.now() / 1_000,
	});
	if (!made.ok) return made;
	isolateCatalog(c.env).invalidate();
	return ok({ version: made.value, ...done });
}

/** The weights are read for a catalog that names cards. */
async function cardWarnings({ env }: AdminContext, catalog: Catalog): Promise<Problem[]> {
	if (catalog.models.every(({ card }) => card === undefined)) return [];
	const { isolateEstimator } = await import("../../src/adapters/router-weights.ts");
	const estimator = await isolateEstimator(env).estimator();
	return unknownCards(catalog, estimator?.models ?? null);
}

function contextOf(c: AdminContext): CatalogContext {
	// A proxy in front of the Worker may show clients another host; both lead back here.
	const forwarded = (c.req.header("x-forwarded-host") ?? "").split(",").map((host) => host.trim());
	return {
		ownHosts: [new URL(c.req.url).host, ...forwarded].filter((host) => host !== ""),
		hasSecret: (name) => {
			const value: unknown = Reflect.get(c.env, name);
			return typeof value === "string" && value !== "";
		},
		isSendable: (name) => credentialOf(name, c.env) !== null,
		knownGpu: (name) => gpuByName(name) !== undefined,
	};
}

function answer(c: AdminContext, applied: Result<Applied, IsobarError>): Response {
	if (!applied.ok) return errorResponse(applied.error);
	c.header("etag", `"${applied.value.version}"`);
	return c.json(applied.value);
}
