import { describe, expect, test } from "vitest";
import { Authenticator, keyFromHeaders, type KeyDirectory } from "../../src/adapters/authenticate.ts";
import { formatKey, hashKey } from "../../src/shared/catalog/key-format.ts";
import { keyInputSchema, type Key } from "../../src/shared/catalog/keys.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

const KEY = formatKey(new Uint8Array(24).fill(7));
const OTHER = formatKey(new Uint8Array(24).fill(8));

class MemoryDirectory implements KeyDirectory {
	readonly #keys = new Map<string, Key>();
	asked: string[] = [];
	isDown = false;

	async add(text: string, fields: Partial<Key> = {}): Promise<void> {
		const key: Key = {
			...keyInputSchema.parse({ tenant: "t" }),
			id: "key_1",
			created_at: 0,
			revoked_at: null,
			...fields,
		};
		this.#keys.set(await hashKey(text), key);
	}

	key(hash: string): Result<Key | null, IsobarError> {
		this.asked.push(hash);
		if (this.isDown) return err(isobarError("catalog_unavailable", "down"));
		return ok(this.#keys.get(hash) ?? null);
	}
}

async function setUp(fields: Partial<Key> = {}) {
	const directory = new MemoryDirectory();
	await directory.add(KEY, fields);
	let now = 1_000;
	const authenticator = new Authenticator(directory, () => now);
	const ask = (headers: HeadersInit) => authenticator.authenticate(new Headers(headers), () => {});
	return { directory, ask, pass: (seconds: number) => void (now += seconds) };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test.each([
	["OpenAI", { authorization: `Bearer ${KEY}` }],
	["any case", { Authorization: `bearer  ${KEY} ` }],
	["Anthropic", { "x-api-key": KEY }],
	["Azure", { "api-key": KEY }],
	["behind a proxy that wants a token of its own", { authorization: "Bearer proxy-token", "x-api-key": KEY }],
	["with another service's key beside it", { authorization: `Bearer ${KEY}`, "x-api-key": "sk-ant-1" }],
])("a key as %s sends it", async (_, headers) => {
	const { ask } = await setUp();
	expect(await ask(headers)).toMatchObject({ ok: true, value: { id: "key_1" } });
});

test("a key that was met before is answered at once", async () => {
	const { ask, directory } = await setUp();
	await ask(bearer(KEY));
	expect(ask(bearer(KEY))).toMatchObject({ ok: true, value: { id: "key_1" } });
	expect(new Set(directory.asked).size).toBe(1);
});

describe("refused", () => {
	test.each([
		[{}, "key_missing"],
		[{ authorization: "Basic dXNlcjpwdw==" }, "key_missing"],
		[{ authorization: "Bearer" }, "key_missing"],
		[{ "x-api-key": " " }, "key_missing"],
		[{ authorization: "Bearer sk-proj-1234" }, "key_invalid"],
		[bearer(KEY.slice(0, -1)), "key_invalid"],
		[bearer(`${KEY.slice(0, 20)}!${KEY.slice(21)}`), "key_invalid"],
		[bearer(OTHER), "key_invalid"],
	])("%j: %s", async (headers, code) => {
		const { ask } = await setUp();
		const result = await ask(headers);
		expect(result).toMatchObject({ ok: false, error: { code } });
		// No part of what was sent comes back.
		const sent = keyFromHeaders(new Headers(headers));
		if (sent && !result.ok) expect(result.error.message).not.toContain(sent.slice(7, 20));
	});

	test("a mistyped key costs no look-up", async () => {
		const { ask, directory } = await setUp();
		await ask(bearer(KEY.toLowerCase()));
		expect(directory.asked).toEqual([]);
	});

	test("revoked, also when it was met before", async () => {
		const { ask, directory } = await setUp();
		await ask(bearer(KEY));
		await directory.add(KEY, { revoked_at: 1_500 });
		const result = await ask(bearer(KEY));
		expect(result).toMatchObject({ ok: false, error: { code: "key_revoked" } });
		expect(!result.ok && result.error.message).toContain("1970-01-01T00:25:00");
	});

	test("expired from the second on that it names", async () => {
		const { ask, pass } = await setUp({ expires_at: "1970-01-01T00:20:00Z" });
		pass(199);
		expect(await ask(bearer(KEY))).toMatchObject({ ok: true });
		pass(1);
		expect(await ask(bearer(KEY))).toMatchObject({ ok: false, error: { code: "key_expired" } });
	});

	test("when the catalog cannot be read it says that, not that the key is wrong", async () => {
		const { ask, directory } = await setUp();
		directory.isDown = true;
		expect(await ask(bearer(KEY))).toMatchObject({ ok: false, error: { code: "catalog_unavailable" } });
	});
});
