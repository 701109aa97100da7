import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { KeyStore } from "../../src/adapters/catalog-key-store.ts";
import { D1CatalogSource } from "../../src/adapters/catalog-source.ts";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { keyInputSchema } from "../../src/shared/catalog/keys.ts";
import { clearCatalog, smallCatalog, withoutTable } from "./catalog-support.ts";

const store = new CatalogStore(env.CATALOG);
const keys = new KeyStore(env.CATALOG);
const source = new D1CatalogSource(env.CATALOG);

beforeEach(clearCatalog);

describe("versions", () => {
	test("there is none at first: version 0, empty", async () => {
		expect(await store.current()).toEqual({ ok: true, value: { version: 0, catalog: { models: [], pools: [] } } });
		expect(await store.version(1)).toEqual({ ok: true, value: null });
	});

	test("each is kept and the last is in force", async () => {
		expect(await store.put({ catalog: smallCatalog("a"), basedOn: 0, now: 100.9, note: "first" })).toEqual({
			ok: true,
			value: 1,
		});
		expect(await store.put({ catalog: smallCatalog("b"), basedOn: 1, now: 200 })).toEqual({ ok: true, value: 2 });
		expect(await store.put({ catalog: smallCatalog("a"), basedOn: 2, now: 300, rolledBackTo: 1 })).toEqual({
			ok: true,
			value: 3,
		});
		expect(await store.current()).toEqual({ ok: true, value: { version: 3, catalog: smallCatalog("a") } });
		expect(await store.version(2)).toEqual({ ok: true, value: { version: 2, catalog: smallCatalog("b") } });
		expect(await store.list(2)).toEqual({
			ok: true,
			value: [
				{ version: 3, created_at: 300, origin: "rollback", rolled_back_to: 1, note: "" },
				{ version: 2, created_at: 200, origin: "put", rolled_back_to: null, note: "" },
			],
		});
		expect(await store.list(2, 2)).toMatchObject({ value: [{ version: 1, created_at: 100, note: "first" }] });
	});

	test("of many based on the same version one is taken", async () => {
		await store.put({ catalog: smallCatalog("zero"), basedOn: 0, now: 1 });
		const names = Array.from({ length: 8 }, (_, index) => `m${index}`);
		const results = await Promise.all(
			names.map((name) => store.put({ catalog: smallCatalog(name), basedOn: 1, now: 2 })),
		);
		expect(results.filter((result) => result.ok)).toEqual([{ ok: true, value: 2 }]);
		const refused = results.flatMap((result) => (result.ok ? [] : [result.error.code]));
		expect(refused).toEqual(Array.from({ length: 7 }, () => "catalog_conflict"));
		const winner = names[results.findIndex((result) => result.ok)] ?? "";
		expect(await store.current()).toEqual({ ok: true, value: { version: 2, catalog: smallCatalog(winner) } });
	});

	test("a version that is not there yet cannot be built upon", async () => {
		expect(await store.put({ catalog: smallCatalog("a"), basedOn: 5, now: 1 })).toMatchObject({
			error: { code: "catalog_conflict" },
		});
		expect(await store.current()).toMatchObject({ value: { version: 0 } });
	});

	test("when D1 fails: catalog_unavailable", async () => {
		await withoutTable("catalog_versions", async () => {
			expect(await store.current()).toMatchObject({ ok: false, error: { code: "catalog_unavailable" } });
			expect(await store.put({ catalog: smallCatalog("a"), basedOn: 0, now: 1 })).toMatchObject({
				ok: false,
				error: { code: "catalog_unavailable" },
			});
		});
		expect(await store.current()).toMatchObject({ ok: true });
	});
});

describe("keys", () => {
	const settings = keyInputSchema.parse({ tenant: "acme", budget: { day_usd: 5 } });
	const add = (id: string, tenant = "acme") =>
		keys.insert({ id, hash: `hash-${id}`, display: `isobar_${id}…`, settings: { ...settings, tenant }, now: 10 });

	test("listed by tenant and page, never with the hash", async () => {
		for (const id of ["key_1", "key_2", "key_3"]) await add(id);
		await add("key_4", "other");
		const page = await keys.list({ tenant: "acme", after: "key_1", limit: 5 });
		expect(page.ok && page.value.map((key) => key.id)).toEqual(["key_2", "key_3"]);
		expect(page.ok && page.value[0]).toEqual({
			...settings,
			id: "key_2",
			created_at: 10,
			revoked_at: null,
			display: "isobar_key_2…",
		});
		const all = await keys.list({ limit: 2 });
		expect(all.ok && all.value.map((key) => key.id)).toEqual(["key_1", "key_2"]);
	});

	test("revoking twice keeps the first time", async () => {
		await add("key_1");
		expect(await keys.revoke("key_1", 20)).toMatchObject({ value: { revoked_at: 20 } });
		expect(await keys.revoke("key_1", 30)).toMatchObject({ value: { revoked_at: 20 } });
		expect(await keys.revoke("key_9", 30)).toEqual({ ok: true, value: null });
	});

	test("every change raises the revision by one, also when many come at once", async () => {
		await Promise.all(Array.from({ length: 6 }, (_, index) => add(`key_${index}`)));
		expect(await source.read(null, null)).toMatchObject({ value: { mark: { revision: 6 } } });
		await Promise.all([
			keys.revoke("key_0", 1),
			keys.revoke("key_1", 1),
			keys.revoke("key_1", 1),
			keys.revoke("none", 1),
		]);
		expect(await source.read(null, null)).toMatchObject({ value: { mark: { revision: 8 } } });
	});
});

describe("reading what is new", () => {
	const settings = keyInputSchema.parse({ tenant: "acme" });
	const add = (id: string) => keys.insert({ id, hash: `hash-${id}`, display: "", settings, now: 10 });

	test("before anything was put", async () => {
		expect(await source.read(null, "hash")).toEqual({
			ok: true,
			value: { mark: { version: 0, revision: 0 }, catalog: { models: [], pools: [] }, changed: null, key: null },
		});
		expect(await source.read({ version: 0, revision: 0 }, null)).toMatchObject({
			value: { catalog: null, changed: [] },
		});
	});

	test("the document only when its version is new, the keys that changed, and the key asked for", async () => {
		await store.put({ catalog: smallCatalog("a"), basedOn: 0, now: 1 });
		await add("key_1");
		await add("key_2");
		const first = await source.read(null, "hash-key_2");
		expect(first).toMatchObject({
			value: { mark: { version: 1, revision: 2 }, catalog: smallCatalog("a"), changed: null, key: { id: "key_2" } },
		});
		const mark = { version: 1, revision: 2 };
		expect(await source.read(mark, null)).toEqual({ ok: true, value: { mark, catalog: null, changed: [], key: null } });

		await keys.revoke("key_1", 50);
		await store.put({ catalog: smallCatalog("b"), basedOn: 1, now: 2 });
		expect(await source.read(mark, null)).toMatchObject({
			value: {
				mark: { version: 2, revision: 3 },
				catalog: smallCatalog("b"),
				changed: [{ hash: "hash-key_1", key: { id: "key_1", revoked_at: 50 } }],
			},
		});
	});

	test("a database that was set back is told apart from one where nothing is new", async () => {
		await store.put({ catalog: smallCatalog("a"), basedOn: 0, now: 1 });
		expect(await source.read({ version: 4, revision: 9 }, null)).toMatchObject({
			value: { mark: { version: 1, revision: 0 }, catalog: smallCatalog("a"), changed: null },
		});
	});

	test("a document of older code gets today's defaults", async () => {
		const old = JSON.stringify({ models: [{ id: "m", context_length: 10, capabilities: ["chat"] }], pools: [] });
		await env.CATALOG.prepare(
			"insert into catalog_versions (version, document, created_at, origin) values (1, ?, 1, 'put')",
		)
			.bind(old)
			.run();
		expect(await source.read(null, null)).toMatchObject({
			value: { catalog: { models: [{ aliases: [], bytes_per_parameter: 2 }] } },
		});
	});

	test("a document that cannot be read is no catalog", async () => {
		await env.CATALOG.exec(
			"insert into catalog_versions (version, document, created_at, origin) values (1, '{', 1, 'put')",
		);
		expect(await source.read(null, null)).toMatchObject({ ok: false, error: { code: "catalog_unavailable" } });
	});
});
