import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { checkKeyFormat, hashKey } from "../../src/shared/catalog/key-format.ts";
import { admin, TOKEN } from "./admin-support.ts";
import { clearCatalog, smallCatalog, withoutTable } from "./catalog-support.ts";

beforeEach(async () => {
	await clearCatalog();
	isolateCatalog(env).invalidate();
});
afterEach(() => vi.restoreAllMocks());

async function create(body: object = {}) {
	const answer = await admin("POST", "/admin/keys", { tenant: "acme", ...body });
	expect(answer.status).toBe(201);
	return answer.body;
}

async function use(key: string): Promise<string> {
	const headers = new Headers({ authorization: `Bearer ${key}` });
	const found = await isolateAuthenticator(env).authenticate(headers, () => {});
	return found.ok ? found.value.id : found.error.code;
}

describe("a key's life", () => {
	test("it is shown once, stored hashed, and works", async () => {
		const answer = await admin("POST", "/admin/keys", { tenant: "acme", name: "ci", budget: { day_usd: 5 } });
		expect(answer.status).toBe(201);
		expect(answer.headers.get("cache-control")).toBe("no-store");
		const { key, ...shown } = answer.body;
		expect(checkKeyFormat(key)).toBe(true);
		expect(shown).toMatchObject({
			object: "key",
			id: expect.stringMatching(/^key_/),
			status: "active",
			display: `${key.slice(0, 11)}…`,
			tenant: "acme",
			name: "ci",
			budget: { day_usd: 5 },
			policy: { ttft_goal_seconds: 2, priority: "standard" },
			revoked_at: null,
			warnings: [],
		});
		const rows = await env.CATALOG.prepare("select * from keys").all();
		expect(rows.results).toMatchObject([{ id: shown.id, hash: await hashKey(key), tenant: "acme" }]);
		expect(JSON.stringify(rows.results)).not.toContain(key);
		expect(await use(key)).toBe(shown.id);
	});

	test("listed by tenant, in the order of creation, without key or hash", async () => {
		const first = await create();
		await create({ tenant: "other" });
		const list = await admin("GET", "/admin/keys?tenant=acme");
		expect(list).toMatchObject({
			status: 200,
			body: { object: "list", has_more: false, data: [{ id: first.id, tenant: "acme" }] },
		});
		expect(JSON.stringify(list.body)).not.toContain(first.key);
		expect(JSON.stringify(list.body)).not.toContain(await hashKey(first.key));

		const page = await admin("GET", "/admin/keys?limit=1");
		expect(page.body).toMatchObject({ has_more: true, data: { length: 1 } });
		const rest = await admin("GET", `/admin/keys?limit=1&after=${page.body.data[0]?.id}`);
		expect(rest.body).toMatchObject({ has_more: false, data: { length: 1 } });
		expect(rest.body.data[0]?.id).not.toBe(page.body.data[0]?.id);
	});

	test.each([
		["DELETE", ""],
		["POST", "/revoke"],
	])("revoked by %s%s: at once in this isolate, again without harm", async (method, suffix) => {
		const { id, key } = await create();
		expect(await use(key)).toBe(id);
		const revoked = await admin(method, `/admin/keys/${id}${suffix}`);
		expect(revoked).toMatchObject({ status: 200, body: { id, status: "revoked" } });
		expect(await use(key)).toBe("key_revoked");
		expect((await admin(method, `/admin/keys/${id}${suffix}`)).body).toEqual(revoked.body);
		expect((await admin("GET", "/admin/keys")).body.data).toMatchObject([{ id, status: "revoked" }]);
	});

	test("a key with a time to live ends by itself", async () => {
		const { expires_at, key, id } = await create({ ttl_seconds: 3_600 });
		const left = Date.parse(expires_at) - Date.now();
		expect(left).toBeGreaterThan(3_500_000);
		expect(left).toBeLessThanOrEqual(3_600_000);
		expect(await use(key)).toBe(id);
		vi.spyOn(Date, "now").mockReturnValue(Date.parse(expires_at));
		expect(await use(key)).toBe("key_expired");
		expect((await admin("GET", "/admin/keys")).body.data).toMatchObject([{ status: "expired" }]);
	});

	test("models that the catalog does not have yet are a warning", async () => {
		await admin("PUT", "/admin/catalog", smallCatalog("llama"));
		const { warnings } = await create({ allowed_models: ["llama", "lama", "auto"] });
		expect(warnings).toEqual([
			{ path: "allowed_models[1]", message: 'the catalog has no model "lama"; did you mean "llama"?' },
		]);
	});
});

describe("bad requests", () => {
	test.each<[unknown, string | null, string]>([
		["{", null, "invalid_json"],
		["", null, "invalid_json"],
		[[], null, "invalid_request"],
		[{}, "tenant", "invalid_request"],
		[{ tenant: "a b" }, "tenant", "invalid_request"],
		[{ tenant: 7 }, "tenant", "invalid_request"],
		[{ tenant: "a", budget: { day_usd: -1 } }, "budget.day_usd", "invalid_request"],
		[{ tenant: "a", budget: { week_usd: 1 } }, "budget.week_usd", "invalid_request"],
		[{ tenant: "a", limits: { concurrency: 1.5 } }, "limits.concurrency", "invalid_request"],
		[{ tenant: "a", allowed_models: ["m", 3] }, "allowed_models[1]", "invalid_request"],
		[{ tenant: "a", policy: { priority: "urgent" } }, "policy.priority", "invalid_request"],
		[{ tenant: "a", ledger_unreachable: "open" }, "ledger_unreachable", "invalid_request"],
		[{ tenant: "a", expires_at: "tomorrow" }, "expires_at", "invalid_request"],
		[{ tenant: "a", expires_at: "2020-01-01T00:00:00Z" }, "expires_at", "invalid_request"],
		[{ tenant: "a", expires_at: "2120-01-01T00:00:00Z", ttl_seconds: 5 }, "ttl_seconds", "invalid_request"],
		[{ tenant: "a", ttl_seconds: 0 }, "ttl_seconds", "invalid_request"],
		[{ tenant: "a", key: "isobar_mine" }, "key", "invalid_request"],
	])("%j", async (body, param, code) => {
		expect(await admin("POST", "/admin/keys", body)).toMatchObject({ status: 400, body: { error: { code, param } } });
		expect((await admin("GET", "/admin/keys")).body.data).toEqual([]);
	});

	test("a body that is too large names the limit", async () => {
		const answer = await admin("POST", "/admin/keys", { tenant: "a", name: "x".repeat(100_001) });
		expect(answer).toMatchObject({
			status: 413,
			body: { error: { code: "body_too_large", details: { limit_bytes: 100_000 } } },
		});
	});

	test.each(["?limit=0", "?limit=x", "?limit=1001", "?tenant=a%20b", "?page=2"])("list with %s", async (query) => {
		expect(await admin("GET", `/admin/keys${query}`)).toMatchObject({
			status: 400,
			body: { error: { code: "invalid_request" } },
		});
	});

	test("a key that is not there", async () => {
		expect(await admin("DELETE", "/admin/keys/key_none")).toMatchObject({
			status: 404,
			body: { error: { code: "not_found" } },
		});
	});

	test("D1 gone: nothing of the key is in the log", async () => {
		const log = vi.spyOn(console, "error").mockImplementation(() => {});
		await withoutTable("keys", async () => {
			const answer = await admin("POST", "/admin/keys", { tenant: "acme-secret" });
			expect(answer).toMatchObject({ status: 503, body: { error: { code: "catalog_unavailable" } } });
		});
		expect(log).toHaveBeenCalled();
		expect(log.mock.calls.flat().join()).not.toMatch(/isobar_|acme-secret|[0-9a-f]{64}/);
	});
});

describe("the door", () => {
	test.each([
		[{ authorization: "" }, "no token"],
		[{ authorization: "Bearer wrong" }, "wrong"],
		[{ authorization: `Bearer ${TOKEN}x` }, "longer"],
		[{ authorization: `Bearer ${TOKEN.slice(0, -1)}` }, "shorter"],
		[{ authorization: `Basic ${TOKEN}` }, "another scheme"],
	])("%j: refused", async (headers) => {
		for (const [method, path] of [
			["PUT", "/admin/catalog"],
			["GET", "/admin/keys"],
			["GET", "/admin/nowhere"],
		] as const) {
			const answer = await admin(method, path, undefined, headers);
			expect(answer).toMatchObject({ status: 401, body: { error: { code: "admin_token_invalid" } } });
			expect(answer.headers.get("www-authenticate")).toBe("Bearer");
		}
	});

	test.each([undefined, ""])("a deployment without a token (%j) lets nobody in", async (unset) => {
		for (const authorization of ["Bearer ", "Bearer undefined", `Bearer ${TOKEN}`]) {
			const answer = await admin("GET", "/admin/keys", undefined, { authorization }, { ADMIN_TOKEN: unset });
			expect(answer.status).toBe(401);
		}
	});

	test.each([
		["POST", "/admin/catalog", "GET, HEAD, PUT"],
		["DELETE", "/admin/catalog/versions", "GET, HEAD"],
		["GET", "/admin/catalog/rollback", "POST"],
		["PATCH", "/admin/keys", "GET, HEAD, POST"],
		["GET", "/admin/keys/key_1", "DELETE"],
		["DELETE", "/admin/keys/key_1/revoke", "POST"],
	])("%s %s is not possible", async (method, path, allow) => {
		const answer = await admin(method, path);
		expect(answer).toMatchObject({ status: 405, body: { error: { code: "method_not_allowed" } } });
		expect(answer.headers.get("allow")).toBe(allow);
	});

	test.each(["/admin/nowhere", "/admin/keys/a/b/c", "/admin"])("%s does not exist", async (path) => {
		expect(await admin("GET", path)).toMatchObject({ status: 404, body: { error: { code: "not_found" } } });
	});
});
