import { Hono, type Context } from "hono";
import * as z from "zod";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { KeyStore, type ListedKey } from "../../src/adapters/catalog-key-store.ts";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { displayKey, formatKey, formatKeyId, hashKey, KEY_BYTES } from "../../src/shared/catalog/key-format.ts";
import { keyInputSchema, type KeyInput } from "../../src/shared/catalog/keys.ts";
import { didYouMean } from "../../src/shared/catalog/nearest-names.ts";
import type { Problem } from "../../src/shared/catalog/problems.ts";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Result } from "../../src/shared/result.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { readJson, readQuery, whole } from "./request.ts";

type AdminContext = Context<{ Bindings: Env }>;

const YEARS_100 = 100 * 365 * 86_400;

const createBody = keyInputSchema.extend({
	/** Instead of `expires_at`: seconds from now. */
	ttl_seconds: z.number().int().positive().max(YEARS_100).optional(),
});
const listQuery = z.strictObject({
	tenant: keyInputSchema.shape.tenant.optional(),
	limit: whole(1, 1_000).default(100),
	after: z.string().max(64).optional(),
});

/** Keys: `/keys`, `/keys/{id}`, `/keys/{id}/revoke`. The key itself is in one answer only, that of its creation. */
export const keyRoutes = new Hono<{ Bindings: Env }>()
	.post("/keys", async (c) => {
		const now = Date.now() / 1_000;
		const body = await readJson(c.req.raw, createBody);
		if (!body.ok) return errorResponse(body.error);
		const { ttl_seconds: ttl, ...settings } = body.value;
		const refusal = expiryProblem(settings, ttl, now);
		if (refusal) return errorResponse(refusal);
		if (ttl !== undefined) settings.expires_at = new Date((now + ttl) * 1_000).toISOString();

		const warnings = await unknownModels(c.env, settings.allowed_models ?? []);
		if (!warnings.ok) return errorResponse(warnings.error);
		const key = formatKey(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
		const display = displayKey(key);
		const id = formatKeyId(now, crypto.getRandomValues(new Uint8Array(8)));
		const made = await new KeyStore(c.env.CATALOG).insert({ id, hash: await hashKey(key), display, settings, now });
		if (!made.ok) return errorResponse(made.error);
		c.header("cache-control", "no-store");
		return c.json({ ...shown({ ...made.value, display }, now), key, warnings: warnings.value }, 201);
	})
	.get("/keys", async (c) => {
		const query = readQuery(c.req.query(), listQuery);
		if (!query.ok) return errorResponse(query.error);
		const { limit } = query.value;
		const rows = await new KeyStore(c.env.CATALOG).list({ ...query.value, limit: limit + 1 });
		if (!rows.ok) return errorResponse(rows.error);
		const now = Date.now() / 1_000;
		const data = rows.value.slice(0, limit).map((key) => shown(key, now));
		return c.json({ object: "list", data, has_more: rows.value.length > limit });
	})
	.delete("/keys/:id", (c) => revoke(c, c.req.param("id")))
	.post("/keys/:id/revoke", (c) => revoke(c, c.req.param("id")));

async function revoke(c: AdminContext, id: string): Promise<Response> {
	const now = Date.now() / 1_000;
	const revoked = await new KeyStore(c.env.CATALOG).revoke(id, now);
	if (!revoked.ok) return errorResponse(revoked.error);
	if (!revoked.value) return errorResponse(isobarError("not_found", "There is no key of that id", { param: "id" }));
	isolateCatalog(c.env).invalidate();
	return c.json(shown(revoked.value, now));
}

function expiryProblem(settings: KeyInput, ttl: number | undefined, now: Seconds): IsobarError | null {
	const { expires_at: expiresAt } = settings;
	if (expiresAt === undefined) return null;
	if (ttl !== undefined) {
		return isobarError("invalid_request", "Give expires_at or ttl_seconds, not both", { param: "ttl_seconds" });
	}
	if (Date.parse(expiresAt) / 1_000 > now) return null;
	return isobarError("invalid_request", "expires_at is in the past", { param: "expires_at" });
}

/** Only warnings: a key may be made before its models are. */
async function unknownModels(env: Env, allowed: readonly string[]): Promise<Result<Problem[], IsobarError>> {
	if (allowed.length === 0) return { ok: true, value: [] };
	const current = await new CatalogStore(env.CATALOG).current();
	if (!current.ok) return current;
	const ids = new Set(current.value.catalog.models.map((model) => model.id));
	const warnings = [...allowed.entries()].flatMap(([index, id]) => {
		if (ids.has(id) || id === "auto") return [];
		const message = `the catalog has no model ${JSON.stringify(id)}${didYouMean(id, ids)}`;
		return [{ path: `allowed_models[${index}]`, message }];
	});
	return { ok: true, value: warnings };
}

function shown(key: ListedKey, now: Seconds) {
	const isExpired = key.expires_at !== undefined && Date.parse(key.expires_at) / 1_000 <= now;
	const status = key.revoked_at !== null ? "revoked" : isExpired ? "expired" : "active";
	return { object: "key", status, ...key };
}
