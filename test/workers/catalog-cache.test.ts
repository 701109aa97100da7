import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { CatalogCache } from "../../src/adapters/catalog-cache.ts";
import { KeyStore } from "../../src/adapters/catalog-key-store.ts";
import {
	D1CatalogSource,
	type CatalogMark,
	type CatalogRead,
	type CatalogSource,
} from "../../src/adapters/catalog-source.ts";
import { CatalogStore } from "../../src/adapters/catalog-store.ts";
import { keyInputSchema, type Key } from "../../src/shared/catalog/keys.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { clearCatalog, smallCatalog } from "./catalog-support.ts";

const SETTINGS = {
	catalogFreshSeconds: 2,
	catalogStaleSeconds: 30,
	catalogOutageSeconds: 600,
	catalogDeadlineSeconds: 0.05,
};

/** A source in memory that counts what is asked of it and can fail, be slow, or never answer. */
class MemorySource implements CatalogSource {
	version = 1;
	readonly keys = new Map<string, { readonly key: Key; readonly revision: number }>();
	revision = 0;
	reads: { readonly since: CatalogMark | null; readonly hash: string | null }[] = [];
	documents = 0;
	state: "up" | "down" | "hanging" = "up";
	changesMax = 100;
	/** Reads wait for it. */
	gate: Promise<void> = Promise.resolve();

	put(hash: string, revokedAt: number | null = null): void {
		const key: Key = { ...keyInputSchema.parse({ tenant: "t" }), id: hash, created_at: 0, revoked_at: revokedAt };
		this.keys.set(hash, { key, revision: ++this.revision });
	}

	async read(since: CatalogMark | null, hash: string | null): Promise<Result<CatalogRead, IsobarError>> {
		this.reads.push({ since, hash });
		const { state } = this;
		const answer = this.#answer(since, hash);
		await this.gate;
		if (state === "hanging") return new Promise(() => {});
		return state === "down" ? err(isobarError("catalog_unavailable", "down")) : ok(answer);
	}

	#answer(since: CatalogMark | null, hash: string | null): CatalogRead {
		const isNew = since?.version !== this.version;
		if (isNew) this.documents++;
		const changed = [...this.keys].flatMap(([hash, { key, revision }]) =>
			revision > (since?.revision ?? 0) ? [{ hash, key }] : [],
		);
		return {
			mark: { version: this.version, revision: this.revision },
			catalog: isNew ? smallCatalog(`v${this.version}`) : null,
			changed: since && changed.length <= this.changesMax ? changed : null,
			key: this.keys.get(hash ?? "")?.key ?? null,
		};
	}
}

function setUp(settings = SETTINGS) {
	const source = new MemorySource();
	let now = 1_000;
	const behind: Promise<unknown>[] = [];
	const cache = new CatalogCache(source, settings, () => now);
	const waitUntil = (promise: Promise<unknown>) => void behind.push(promise);
	return {
		source,
		cache,
		snapshot: () => cache.snapshot(waitUntil),
		key: (hash: string) => cache.key(hash, waitUntil),
		version: async () => {
			const found = await cache.snapshot(waitUntil);
			return found.ok ? found.value.version : found.error.code;
		},
		pass: (seconds: number) => void (now += seconds),
		settle: () => Promise.all(behind.splice(0)),
	};
}

function gate() {
	const { promise, resolve } = Promise.withResolvers<void>();
	return { promise, open: () => resolve() };
}

describe("age", () => {
	test("fresh: the same object at once, and no read", async () => {
		const { source, snapshot, pass } = setUp();
		const first = await snapshot();
		expect(first).toMatchObject({ ok: true, value: { version: 1 } });
		pass(1.9);
		expect(snapshot()).toBe(first);
		expect(source.reads).toHaveLength(1);
	});

	test("older: used as it is and read again behind, once for all who ask", async () => {
		const { source, snapshot, version, pass, settle } = setUp();
		const first = await snapshot();
		source.version = 2;
		pass(2);
		for (let index = 0; index < 5; index++) expect(snapshot()).toBe(first);
		expect(source.reads).toHaveLength(2);
		await settle();
		expect(await version()).toBe(2);
	});

	test("the document is read again only when the version is new", async () => {
		const { source, snapshot, pass, settle } = setUp();
		const first = await snapshot();
		pass(3);
		void snapshot();
		await settle();
		expect(source.reads[1]).toEqual({ since: { version: 1, revision: 0 }, hash: null });
		expect(source.documents).toBe(1);
		expect(snapshot()).toBe(first);
	});

	test("too old: waited for, by all on one read", async () => {
		const { source, snapshot, version, pass } = setUp();
		await snapshot();
		source.version = 2;
		pass(30);
		expect(await Promise.all([version(), version(), version()])).toEqual([2, 2, 2]);
		expect(source.reads).toHaveLength(2);
	});
});

describe("D1 fails", () => {
	test("the old snapshot serves until it is too old for that, without a wait for every request", async () => {
		const { source, snapshot, version, pass, settle } = setUp();
		await snapshot();
		source.state = "down";
		pass(31);
		expect(await version()).toBe(1);
		expect(source.reads).toHaveLength(2);
		expect(snapshot()).not.toBeInstanceOf(Promise);
		expect(source.reads).toHaveLength(2);
		pass(3);
		expect(snapshot()).not.toBeInstanceOf(Promise);
		await settle();
		expect(source.reads).toHaveLength(3);
		pass(565);
		expect(await version()).toBe(1);
		pass(2);
		expect(await version()).toBe("catalog_unavailable");
		source.state = "up";
		expect(await version()).toBe(1);
	});

	test("keys that are held serve on, others cannot be told", async () => {
		const { source, key, pass } = setUp();
		source.put("held");
		await key("held");
		source.state = "down";
		pass(100);
		expect(await key("held")).toMatchObject({ ok: true, value: { id: "held" } });
		expect(await key("other")).toMatchObject({ ok: false, error: { code: "catalog_unavailable" } });
	});

	test("an isolate that has nothing yet says so, and recovers", async () => {
		const { source, version } = setUp();
		source.state = "down";
		expect(await version()).toBe("catalog_unavailable");
		source.state = "up";
		expect(await version()).toBe(1);
	});

	test("a read that never ends is given up", async () => {
		const { source, version, pass } = setUp();
		source.state = "hanging";
		expect(await version()).toBe("catalog_unavailable");
		source.state = "up";
		expect(await version()).toBe(1);
		source.state = "hanging";
		pass(31);
		expect(await version()).toBe(1);
	});

	test("who waits for a read that died with its request begins one of their own, together", async () => {
		const { source, version } = setUp();
		source.state = "hanging";
		void version();
		source.state = "up";
		const slow = gate();
		source.gate = slow.promise;
		// They give up after 50 ms; what they begin then has until 100 ms.
		setTimeout(slow.open, 80);
		expect(await Promise.all([version(), version()])).toEqual([1, 1]);
		expect(source.reads).toHaveLength(2);
	});

	test("a read behind that died is replaced", async () => {
		const { source, snapshot, pass, settle, version } = setUp();
		await snapshot();
		source.state = "hanging";
		pass(3);
		void snapshot();
		source.state = "up";
		source.version = 2;
		pass(1);
		void snapshot();
		await Promise.race([settle(), new Promise((resolve) => setTimeout(resolve, 20))]);
		expect(source.reads).toHaveLength(3);
		expect(await version()).toBe(2);
	});
});

describe("keys", () => {
	test("one round trip brings the key and the catalog; after that both are at hand", async () => {
		const { source, snapshot, key } = setUp();
		source.put("a");
		const found = await key("a");
		expect(found).toMatchObject({ ok: true, value: { id: "a" } });
		expect(key("a")).toEqual(found);
		expect(snapshot()).toMatchObject({ ok: true, value: { version: 1 } });
		expect(source.reads).toEqual([{ since: null, hash: "a" }]);
	});

	test("many keys at once in a cold isolate read the document once", async () => {
		const { source, key } = setUp();
		for (const hash of ["a", "b", "c", "d"]) source.put(hash);
		const found = await Promise.all(["a", "b", "c", "d", "a"].map(async (hash) => key(hash)));
		expect(found.map((result) => result.ok && result.value?.id)).toEqual(["a", "b", "c", "d", "a"]);
		expect(source.documents).toBe(1);
		expect(source.reads).toHaveLength(4);
	});

	test("a revocation arrives with the next read, whoever causes it", async () => {
		const { source, snapshot, key, pass, settle } = setUp();
		source.put("a");
		source.put("b");
		await key("a");
		await key("b");
		source.put("a", 1_001);
		pass(2);
		expect(await key("a")).toMatchObject({ value: { revoked_at: null } });
		await settle();
		expect(key("a")).toMatchObject({ value: { revoked_at: 1_001 } });
		expect(key("b")).toMatchObject({ value: { revoked_at: null } });
		expect(snapshot()).toMatchObject({ ok: true });
		expect(source.reads).toHaveLength(3);
	});

	test("a key that is too old is waited for, with one read for all that are held", async () => {
		const { source, key, pass } = setUp();
		source.put("a");
		source.put("b");
		await key("a");
		await key("b");
		source.put("b", 1_020);
		pass(31);
		expect(await Promise.all([key("a"), key("b")])).toMatchObject([
			{ value: { revoked_at: null } },
			{ value: { revoked_at: 1_020 } },
		]);
		expect(source.reads).toHaveLength(3);
	});

	test("a key that does not exist is remembered while fresh, no longer", async () => {
		const { source, snapshot, key, pass } = setUp();
		await snapshot();
		expect(await key("x")).toEqual({ ok: true, value: null });
		expect(key("x")).toEqual({ ok: true, value: null });
		expect(source.reads).toHaveLength(2);
		source.put("x");
		pass(2);
		expect(await key("x")).toMatchObject({ value: { id: "x" } });
	});

	test("more changes than a read lists: all keys are forgotten, none is wrong", async () => {
		const { source, key, pass } = setUp();
		source.put("a");
		await key("a");
		source.put("a", 1_001);
		source.changesMax = 0;
		pass(31);
		expect(await key("a")).toMatchObject({ value: { revoked_at: 1_001 } });
	});

	test("a look-up that is overtaken by a newer read is not kept", async () => {
		const { source, snapshot, key, pass, settle } = setUp();
		source.put("a");
		await snapshot();
		const slow = gate();
		source.gate = slow.promise;
		const lookUp = key("a");
		source.gate = Promise.resolve();
		source.put("a", 1_001);
		pass(2);
		void snapshot();
		await Promise.resolve();
		await new Promise((resolve) => setTimeout(resolve, 0));
		slow.open();
		expect(await lookUp).toMatchObject({ value: { revoked_at: null } });
		await settle();
		expect(await key("a")).toMatchObject({ value: { revoked_at: 1_001 } });
	});
});

describe("invalidate", () => {
	test("what this isolate changed it sees at once", async () => {
		const { source, cache, snapshot, key, version } = setUp();
		source.put("a");
		await key("a");
		await snapshot();
		source.version = 2;
		source.put("a", 1_000);
		cache.invalidate();
		expect(await version()).toBe(2);
		expect(await key("a")).toMatchObject({ value: { revoked_at: 1_000 } });
	});

	test("a read from before the change does not count", async () => {
		const { source, cache, version } = setUp();
		const slow = gate();
		source.gate = slow.promise;
		const waiting = version();
		source.version = 2;
		source.gate = Promise.resolve();
		cache.invalidate();
		slow.open();
		expect(await waiting).toBe(2);
		expect(await version()).toBe(2);
	});
});

describe("over D1", () => {
	beforeEach(clearCatalog);

	test("the whole way: empty, put, revoked", async () => {
		let now = 1_000;
		const cache = new CatalogCache(
			new D1CatalogSource(env.CATALOG),
			{ ...SETTINGS, catalogDeadlineSeconds: 5 },
			() => now,
		);
		const behind: Promise<unknown>[] = [];
		const waitUntil = (promise: Promise<unknown>) => void behind.push(promise);
		expect(await cache.snapshot(waitUntil)).toMatchObject({ value: { version: 0, models: new Map() } });

		await new CatalogStore(env.CATALOG).put({ catalog: smallCatalog("m"), basedOn: 0, now });
		const keys = new KeyStore(env.CATALOG);
		await keys.insert({ id: "key_1", hash: "h", display: "", settings: keyInputSchema.parse({ tenant: "t" }), now });
		now += 2;
		expect(await cache.snapshot(waitUntil)).toMatchObject({ value: { version: 0 } });
		await Promise.all(behind.splice(0));
		expect(cache.snapshot(waitUntil)).toMatchObject({ value: { version: 1 } });
		expect(await cache.key("h", waitUntil)).toMatchObject({ value: { id: "key_1", revoked_at: null } });

		await keys.revoke("key_1", now);
		now += 30;
		expect(await cache.key("h", waitUntil)).toMatchObject({ value: { revoked_at: 1_002 } });
	});
});
