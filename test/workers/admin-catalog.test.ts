import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import { CATALOG_BYTES_MAX } from "../../src/shared/limits.ts";
import { admin } from "./admin-support.ts";
import { clearCatalog, withoutTable } from "./catalog-support.ts";

beforeEach(clearCatalog);
afterEach(() => vi.restoreAllMocks());

function document(url = "http://10.0.0.1:8000"): CatalogInput {
	return {
		models: [{ id: "llama", context_length: 8_192, capabilities: ["chat"] }],
		pools: [
			{
				id: "gpu",
				model: "llama",
				engine: "vllm",
				gpu: { type: "L4" },
				place: { provider: "own", region: "eu" },
				price: { per: "gpu_hour", usd: 1 },
				secret: "VENDOR_KEY",
				replicas: [{ id: "a", url }],
			},
		],
	};
}

/** The rows of `catalog_versions`: the least that a refused change must leave alone. */
async function versions(): Promise<unknown[]> {
	return (await env.CATALOG.prepare("select version, document from catalog_versions").all()).results;
}

describe("PUT and GET", () => {
	test("put, read back, put what was read", async () => {
		const put = await admin("PUT", "/admin/catalog", document());
		expect(put).toMatchObject({
			status: 200,
			body: { version: 1, dry_run: false, diff: { models: { added: ["llama"] }, replicas: { added: ["gpu/a"] } } },
		});
		expect(put.headers.get("etag")).toBe('"1"');

		const got = await admin("GET", "/admin/catalog");
		expect(got).toMatchObject({ status: 200, body: document() });
		expect(got.headers.get("etag")).toBe('"1"');
		expect(got.headers.get("x-isobar-catalog-version")).toBe("1");
		// The same again changes nothing and makes no version.
		const again = await admin("PUT", "/admin/catalog", got.body);
		expect(again).toMatchObject({ status: 200, body: { version: 1, diff: { pools: { changed: [] } } } });
		expect(await versions()).toHaveLength(1);
	});

	test("the diff says what changed, and an older version is still there", async () => {
		await admin("PUT", "/admin/catalog", document());
		const put = await admin("PUT", "/admin/catalog?note=moved", document("http://10.0.0.2:8000"));
		expect(put.body.diff.replicas.changed).toEqual([
			{ id: "gpu/a", fields: [{ field: "url", from: "http://10.0.0.1:8000", to: "http://10.0.0.2:8000" }] },
		]);
		expect((await admin("GET", "/admin/catalog?version=1")).body).toMatchObject(document());
		expect(await admin("GET", "/admin/catalog?version=3")).toMatchObject({
			status: 404,
			body: { error: { code: "not_found" } },
		});
		expect((await admin("GET", "/admin/catalog/versions")).body).toMatchObject({
			object: "list",
			data: [
				{ version: 2, origin: "put", note: "moved" },
				{ version: 1, note: "" },
			],
			has_more: false,
		});
		expect((await admin("GET", "/admin/catalog/versions?limit=1")).body).toMatchObject({
			data: [{ version: 2 }],
			has_more: true,
		});
		expect((await admin("GET", "/admin/catalog/versions?before=2")).body).toMatchObject({ data: [{ version: 1 }] });
	});

	test("before the first there is an empty one that can be built upon", async () => {
		const got = await admin("GET", "/admin/catalog");
		expect(got).toMatchObject({ status: 200, body: { models: [], pools: [] } });
		expect(got.headers.get("etag")).toBe('"0"');
		const put = await admin("PUT", "/admin/catalog", got.body, { "if-match": '"0"' });
		expect(put).toMatchObject({ status: 200, body: { version: 1 } });
	});

	test("what the reader has is not sent again", async () => {
		await admin("PUT", "/admin/catalog", document());
		expect(await admin("GET", "/admin/catalog", undefined, { "if-none-match": '"1"' })).toMatchObject({
			status: 304,
			body: null,
		});
		expect(await admin("GET", "/admin/catalog", undefined, { "if-none-match": '"0"' })).toMatchObject({ status: 200 });
	});

	test("warnings do not stop it", async () => {
		const input = document();
		const [pool] = input.pools;
		if (pool) pool.gpu = { type: "Z9000" };
		const put = await admin("PUT", "/admin/catalog", input);
		expect(put).toMatchObject({ status: 200, body: { version: 1, warnings: [{ path: "pools[0].gpu.type" }] } });
	});

	test("a dry run answers the same and changes nothing", async () => {
		await admin("PUT", "/admin/catalog", document());
		const before = await versions();
		const dry = await admin("PUT", "/admin/catalog?dry_run=1", document("http://10.0.0.2:8000"));
		expect(dry).toMatchObject({ status: 200, body: { version: 2, dry_run: true } });
		expect(dry.body.diff.replicas.changed).toHaveLength(1);
		expect(await versions()).toEqual(before);
		const real = await admin("PUT", "/admin/catalog", document("http://10.0.0.2:8000"));
		expect(real.body).toEqual({ ...dry.body, dry_run: false });
	});

	test("this isolate uses the new catalog at once", async () => {
		const cache = isolateCatalog(env);
		const version = async () => {
			const found = await cache.snapshot(() => {});
			return found.ok && found.value.version;
		};
		cache.invalidate();
		expect(await version()).toBe(0);
		await admin("PUT", "/admin/catalog", document());
		expect(await version()).toBe(1);
	});
});

describe("changes at the same time", () => {
	test("If-Match names the version that was read; another is a conflict", async () => {
		await admin("PUT", "/admin/catalog", document());
		const moved = document("http://10.0.0.2:8000");
		const stale = await admin("PUT", "/admin/catalog", moved, { "if-match": '"0"' });
		expect(stale).toMatchObject({ status: 409, body: { error: { code: "catalog_conflict" } } });
		expect(await versions()).toHaveLength(1);
		expect(await admin("PUT", "/admin/catalog", moved, { "if-match": '"1"' })).toMatchObject({ body: { version: 2 } });
		const odd = await admin("PUT", "/admin/catalog", moved, { "if-match": '"one"' });
		expect(odd).toMatchObject({ status: 400, body: { error: { code: "invalid_request", param: "if-match" } } });
	});

	test("of many PUTs on one version exactly one is applied", async () => {
		const urls = Array.from({ length: 6 }, (_, index) => `http://10.0.1.${index}:8000`);
		const results = await Promise.all(
			urls.map((url) => admin("PUT", "/admin/catalog", document(url), { "if-match": '"0"' })),
		);
		expect(results.map((result) => result.status).filter((status) => status !== 409)).toEqual([200]);
		const winner = urls[results.findIndex((result) => result.status === 200)] ?? "";
		expect((await admin("GET", "/admin/catalog")).body).toMatchObject(document(winner));
	});

	test("without If-Match no two become the same version", async () => {
		const urls = Array.from({ length: 6 }, (_, index) => `http://10.0.2.${index}:8000`);
		const results = await Promise.all(urls.map((url) => admin("PUT", "/admin/catalog", document(url))));
		const made = results.flatMap((result) => (result.status === 200 ? [result.body.version] : []));
		expect(made.length).toBeGreaterThan(0);
		expect(new Set(made).size).toBe(made.length);
		expect(await versions()).toHaveLength(made.length);
	});
});

describe("rollback", () => {
	test("makes a new version of the old document", async () => {
		await admin("PUT", "/admin/catalog", document());
		await admin("PUT", "/admin/catalog", document("http://10.0.0.2:8000"));
		const dry = await admin("POST", "/admin/catalog/rollback?dry_run=1", { version: 1 });
		expect(dry).toMatchObject({ body: { version: 3, dry_run: true } });
		const back = await admin("POST", "/admin/catalog/rollback", { version: 1, note: "oops" });
		expect(back).toMatchObject({
			status: 200,
			body: { version: 3, diff: { replicas: { changed: [{ id: "gpu/a" }] } } },
		});
		expect((await admin("GET", "/admin/catalog")).body).toMatchObject(document());
		expect((await admin("GET", "/admin/catalog/versions?limit=1")).body.data).toMatchObject([
			{ version: 3, origin: "rollback", rolled_back_to: 1, note: "oops" },
		]);
	});

	test("is checked against the deployment as it is now", async () => {
		await admin("PUT", "/admin/catalog", document());
		await admin("PUT", "/admin/catalog", { models: [], pools: [] });
		const back = await admin("POST", "/admin/catalog/rollback", { version: 1 }, {}, { VENDOR_KEY: undefined });
		expect(back).toMatchObject({ status: 422, body: { error: { code: "secret_missing" } } });
		expect(await versions()).toHaveLength(2);
	});

	test.each([
		[{ version: 9 }, 404, "not_found", "version"],
		[{ version: "1" }, 400, "invalid_request", "version"],
		[{ version: 0 }, 400, "invalid_request", "version"],
		[{}, 400, "invalid_request", "version"],
		[{ version: 1, force: true }, 400, "invalid_request", "force"],
		["{", 400, "invalid_json", null],
	])("%j", async (body, status, code, param) => {
		await admin("PUT", "/admin/catalog", document());
		expect(await admin("POST", "/admin/catalog/rollback", body)).toMatchObject({
			status,
			body: { error: { code, param } },
		});
	});
});

describe("bad catalogs: a clear error, and nothing is applied", () => {
	const bad: [
		string,
		(input: ReturnType<typeof document> & { pools: unknown[] }) => unknown,
		number,
		string,
		string | null,
	][] = [
		["not JSON", () => '{"models": [', 400, "invalid_json", null],
		["empty", () => "", 400, "invalid_json", null],
		["not an object", () => "[]", 422, "catalog_invalid", null],
		["wrong type", (input) => ({ ...input, models: "llama" }), 422, "catalog_invalid", "models"],
		["unknown field", (input) => ({ ...input, modles: [] }), 422, "catalog_invalid", "modles"],
		["unknown model", (input) => change(input, "model", "lama"), 422, "catalog_invalid", "pools[0].model"],
		["secret not set", (input) => change(input, "secret", "OTHER_KEY"), 422, "secret_missing", "pools[0].secret"],
		[
			"a binding that is no secret",
			(input) => change(input, "secret", "CATALOG"),
			422,
			"secret_missing",
			"pools[0].secret",
		],
		["the admin token", (input) => change(input, "secret", "ADMIN_TOKEN"), 422, "catalog_invalid", "pools[0].secret"],
		["not http(s)", () => document("ftp://10.0.0.1"), 422, "catalog_invalid", "pools[0].replicas[0].url"],
		[
			"the request's own host",
			() => document("https://gateway.example.com"),
			422,
			"catalog_invalid",
			"pools[0].replicas[0].url",
		],
	];

	function change(input: CatalogInput, field: string, value: unknown): unknown {
		return { ...input, pools: [{ ...input.pools[0], [field]: value }] };
	}

	test.each(bad)("%s", async (_, make, status, code, param) => {
		const answer = await admin("PUT", "/admin/catalog", make(document()));
		expect(answer).toMatchObject({ status, body: { error: { code, param } } });
		expect(answer.headers.get("x-should-retry")).toBe("false");
		expect(await versions()).toEqual([]);
	});

	test("the host that a proxy shows clients is the gateway's own too", async () => {
		const answer = await admin("PUT", "/admin/catalog", document("https://llm.example.com"), {
			"x-forwarded-host": "llm.example.com",
		});
		expect(answer).toMatchObject({ status: 422, body: { error: { param: "pools[0].replicas[0].url" } } });
	});

	test("too large: refused by its header, and without one while it is read", async () => {
		const text = JSON.stringify(document()).padEnd(CATALOG_BYTES_MAX + 1);
		const expected = {
			status: 413,
			body: { error: { code: "body_too_large", details: { limit_bytes: CATALOG_BYTES_MAX } } },
		};
		expect(await admin("PUT", "/admin/catalog", text)).toMatchObject(expected);
		expect(await admin("PUT", "/admin/catalog", text, { "content-length": String(text.length) })).toMatchObject(
			expected,
		);
	});

	test.each(["?dry_run=maybe", "?dryrun=1", `?note=${"x".repeat(501)}`])("query %s", async (query) => {
		const answer = await admin("PUT", `/admin/catalog${query}`, document());
		expect(answer).toMatchObject({ status: 400, body: { error: { code: "invalid_request" } } });
		expect(await versions()).toEqual([]);
	});

	test("D1 gone", async () => {
		const log = vi.spyOn(console, "error").mockImplementation(() => {});
		await withoutTable("catalog_versions", async () => {
			const answer = await admin("PUT", "/admin/catalog", document());
			expect(answer).toMatchObject({ status: 503, body: { error: { code: "catalog_unavailable" } } });
			expect(answer.headers.get("retry-after")).toBe("1");
		});
		expect(log).toHaveBeenCalledOnce();
		// The statement's parameters, here the document, stay out of the log.
		expect(log.mock.calls.flat().join()).not.toContain("llama");
	});
});
