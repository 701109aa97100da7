import { describe, expect, it } from "vitest";
import { catalogOf, poolOf, urlsOf } from "./helpers/catalog-of.ts";
import { errorOf, startTestGateway, type ErrorBody } from "./helpers/test-gateway.ts";
import { until } from "./helpers/until.ts";

const ADMIN_TOKEN = "test-admin-token";
const gateway = await startTestGateway({
	replicas: ["good/a", "other/a"].map((name) => ({ name, model: name.split("/")[0]!, speed: 0 })),
	catalog: (urls) =>
		catalogOf([poolOf("good", "good", urlsOf(urls, "good")), poolOf("other", "other", urlsOf(urls, "other"))]),
});
const good = await gateway.admin.catalog();

function admin(method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Response> {
	return fetch(`${gateway.isobar.url}/admin${path}`, {
		method,
		headers: { authorization: `Bearer ${token}` },
		...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
	});
}

describe("a catalog that is not right", () => {
	const pool = (more: object, url = "http://192.0.2.1:8000") => ({ ...poolOf("new", "good", [url]), ...more });
	const withPool = (more: object, url?: string) => ({ ...good, pools: [...good.pools, pool(more, url)] });
	const own = new URL(gateway.isobar.url);

	interface Refusal {
		readonly status: number;
		readonly code: string;
		readonly param: string | null;
		readonly says: RegExp;
	}
	const invalid = (param: string, says: RegExp): Refusal => ({ status: 422, code: "catalog_invalid", param, says });
	const url = (says: RegExp): Refusal => invalid("pools[2].replicas[0].url", says);

	const catalogs: readonly [string, unknown, Refusal][] = [
		[
			"names an unknown model",
			withPool({ model: "goood" }),
			invalid("pools[2].model", /unknown model "goood"; did you mean "good"/),
		],
		[
			"names a secret that is not set",
			withPool({ secret: "NOT_SET" }),
			{
				status: 422,
				code: "secret_missing",
				param: "pools[2].secret",
				says: /NOT_SET is not set.*wrangler secret put/,
			},
		],
		[
			"would send the gateway's own secret",
			withPool({ secret: "ADMIN_TOKEN" }),
			invalid("pools[2].secret", /gateway's own/),
		],
		["has a replica by ftp", withPool({}, "ftp://192.0.2.1"), url(/must be http or https, not ftp:/)],
		["has a replica in a file", withPool({}, "file:///etc/passwd"), url(/must be http or https/)],
		["has a replica that is no URL", withPool({}, "gpu-7:8000/a b"), url(/not a URL/)],
		["has a replica with a password", withPool({}, "http://me:secret@192.0.2.1"), url(/no user name or password/)],
		["has a replica's whole endpoint", withPool({}, "http://192.0.2.1/v1"), url(/end before \/v1/)],
		["has the gateway as a replica", withPool({}, gateway.isobar.url), url(/is this gateway itself/)],
		[
			"has the gateway as a replica, by another name of this machine",
			withPool({}, `http://localhost:${own.port}`),
			url(/is this gateway itself/),
		],
		[
			"has two pools of a name",
			{ ...good, pools: [...good.pools, good.pools[0]] },
			invalid("pools[2].id", /duplicate pool id "good"/),
		],
		[
			"has two models of a name",
			{ ...good, models: [...good.models, good.models[0]] },
			invalid("models[2].id", /duplicate name/),
		],
		[
			"has a negative price",
			withPool({ price: { per: "million_tokens", input: -1, output: 1 } }),
			invalid("pools[2].price.input", />=0|at least 0/),
		],
		["has a price of no kind", withPool({ price: { per: "moon", usd: 1 } }), invalid("pools[2].price.per", /./)],
		["has a field too many", withPool({ colour: "red" }), invalid("pools[2].colour", /unknown field/)],
		["has a pool without replicas", withPool({ replicas: [] }), invalid("pools[2].replicas", /./)],
		["is a list", [good], invalid("", /expected object/)],
		["is no JSON", "{", { status: 400, code: "invalid_json", param: null, says: /not JSON/ }],
		["is nothing", "", { status: 400, code: "invalid_json", param: null, says: /not JSON/ }],
	];

	it.each(catalogs)("because it %s is refused as a whole", async (_, catalog, { status, code, param, says }) => {
		for (const query of ["", "?dry_run=1"]) {
			const response = await admin("PUT", `/catalog${query}`, catalog);
			const error = await errorOf(response);
			expect(error.message).toMatch(says);
			expect(error).toMatchObject({ code, param: param || null });
			expect(response.status).toBe(status);
		}
		const now = await admin("GET", "/catalog");
		expect(now.headers.get("x-isobar-catalog-version")).toBe("1");
		expect(await now.json()).toEqual(good);
		expect((await gateway.chat("good", { max_tokens: 1 })).status).toBe(200);
	});

	it("is told all that is wrong with it", async () => {
		const catalog = withPool({ model: "nothing", secret: "NOT_SET" }, "ftp://x");
		const error = await errorOf(await admin("PUT", "/catalog", catalog));
		const paths = (error.details!["problems"] as { path: string }[]).map(({ path }) => path);
		expect(paths.toSorted()).toEqual(["pools[2].model", "pools[2].replicas[0].url", "pools[2].secret"]);
	});

	it("is refused where it was made from another version", async () => {
		const response = await fetch(`${gateway.isobar.url}/admin/catalog`, {
			method: "PUT",
			headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "if-match": '"7"' },
			body: JSON.stringify(good),
		});
		expect(response.status).toBe(409);
		expect((await errorOf(response)).code).toBe("catalog_conflict");
	});
});

describe("who may do what", () => {
	it("the administrator needs the token", async () => {
		for (const response of [
			await admin("GET", "/catalog", undefined, "wrong"),
			await fetch(`${gateway.isobar.url}/admin/keys`),
		]) {
			expect(response.status).toBe(401);
			expect((await errorOf(response)).code).toBe("admin_token_invalid");
		}
		// A client's key is none.
		expect((await admin("GET", "/keys", undefined, gateway.key)).status).toBe(401);
		expect((await gateway.chat("good", {}, { key: ADMIN_TOKEN })).status).toBe(401);
	});

	it.each([
		["no key", "", "key_missing", /Authorization: Bearer isobar_/],
		["a key of somebody else's", "sk-1234567890", "key_invalid", /start with isobar_/],
		["a key that was cut off", gateway.key.slice(0, -1), "key_invalid", /mistyped or cut off/],
		["a key with a wrong letter", gateway.key.replace(/.{5}$/, "zzzzz"), "key_invalid", /mistyped/],
	])("%s", async (_, key, code, says) => {
		const response = await gateway.chat("good", {}, { key });
		expect(response.status).toBe(401);
		expect(response.headers.get("x-should-retry")).toBe("false");
		const error = await errorOf(response);
		expect(error).toMatchObject({ code, type: "authentication_error" });
		expect(error.message).toMatch(says);
	});

	it("a revoked key is none from that moment on, and says when it was revoked", async () => {
		const made = await gateway.admin.createKey({ tenant: "test" });
		const ask = () => gateway.chat("good", { max_tokens: 1 }, { key: made.key });
		expect((await ask()).status).toBe(200);
		expect((await admin("DELETE", `/keys/${made.id}`)).status).toBe(200);
		const response = await ask();
		expect(response.status).toBe(401);
		const error = await errorOf(response);
		expect(error.code).toBe("key_revoked");
		expect(error.message).toContain(made.id);
		expect(error.message).not.toContain(made.key);
		expect(error.message).toMatch(/revoked on 20\d\d-\d\d-\d\dT/);
	});

	it("a key is none after its time", async () => {
		const key = (await (await admin("POST", "/keys", { tenant: "test", ttl_seconds: 1 })).json()) as { key: string };
		const error = await until("it has expired", async () => {
			const response = await gateway.chat("good", { max_tokens: 1 }, key);
			const body = (await response.json()) as ErrorBody;
			return response.status === 401 && body.error;
		});
		expect(error).toMatchObject({ code: "key_expired", message: expect.stringContaining("expired on") });
	});

	it("a key may name only its models", async () => {
		const key = await gateway.createKey({ allowed_models: ["other"] });
		const response = await gateway.chat("good", {}, { key });
		expect(response.status).toBe(403);
		const error = await errorOf(response);
		expect(error).toMatchObject({ code: "model_not_allowed", param: "model", type: "permission_error" });
		expect(error.message).toContain("it may use: other");
		// What it may not use is not offered as the nearest either.
		expect((await errorOf(await gateway.chat("goodd", {}, { key }))).message).not.toContain('"good"');
	});

	it.each([
		["without a tenant", {}, "tenant"],
		["with a field too many", { tenant: "t", colour: "red" }, "colour"],
		["with a negative budget", { tenant: "t", budget: { day_usd: -1 } }, "budget.day_usd"],
		["that expired already", { tenant: "t", expires_at: "2020-01-01T00:00:00Z" }, "expires_at"],
	])("a key is not made %s", async (_, body, param) => {
		const response = await admin("POST", "/keys", body);
		expect(response.status).toBe(400);
		expect(await errorOf(response)).toMatchObject({ code: "invalid_request", param });
	});
});

describe("an exhausted budget", () => {
	it.each([
		["day", /T00:00:00\.000Z/],
		["month", /-01T00:00:00\.000Z/],
		["total", /does not renew/],
	])("says that it was that of the %s, and when there is more", async (period, renews) => {
		const key = await gateway.createKey({ tenant: `poor-${period}`, budget: { [`${period}_usd`]: 0.000_5 } });
		expect((await gateway.chat("good", { max_tokens: 100 }, { key })).status).toBe(200);
		const response = await gateway.chat("good", { max_tokens: 10_000 }, { key });
		expect(response.status).toBe(429);
		expect(response.headers.get("x-should-retry")).toBe("false");
		const error = await errorOf(response);
		expect(error).toMatchObject({
			code: "budget_exhausted",
			type: "budget_error",
			details: { period, limit_usd: 0.000_5 },
		});
		expect(error.message).toMatch(new RegExp(`${period} budget of \\$0\\.0005 has \\$0\\.000\\d+ left`));
		expect(error.message).toMatch(renews);
		expect(response.headers.has("retry-after")).toBe(period !== "total");
		expect((await gateway.chat("good", { max_tokens: 10 }, { key })).status, "what still fits").toBe(200);
	});
});
