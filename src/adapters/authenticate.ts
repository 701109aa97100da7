import { checkKeyFormat, hashKey, KEY_PREFIX } from "../shared/catalog/key-format.ts";
import type { Key } from "../shared/catalog/keys.ts";
import { RecentMap } from "../shared/catalog/recent-map.ts";
import { isobarError, type IsobarError } from "../shared/http/errors.ts";
import { err, type Result } from "../shared/result.ts";
import type { Seconds } from "../shared/units.ts";
import { isolateCatalog, type WaitUntil } from "./catalog-cache.ts";

/** Where keys are looked up by their SHA-256. */
export interface KeyDirectory {
	key(hash: string, waitUntil: WaitUntil): Result<Key | null, IsobarError> | Promise<Result<Key | null, IsobarError>>;
}

type Authenticated = Result<Key, IsobarError>;

const HASHES_MAX = 10_000;

/** From request headers to the key, or why not: `key_missing`, `key_invalid`, `key_revoked`, `key_expired`,
 *  `catalog_unavailable`. A key that was met before costs two look-ups in memory and is answered at once, without a promise. */
export class Authenticator {
	readonly #directory: KeyDirectory;
	readonly #clock: () => Seconds;
	/** Hashes of keys that exist, by the key's text, which stays in this isolate's memory. */
	readonly #hashes = new RecentMap<string, string>(HASHES_MAX);

	constructor(directory: KeyDirectory, clock: () => Seconds) {
		this.#directory = directory;
		this.#clock = clock;
	}

	authenticate(headers: Headers, waitUntil: WaitUntil): Authenticated | Promise<Authenticated> {
		const text = keyFromHeaders(headers);
		if (text === null) return err(KEY_MISSING);
		const hash = this.#hashes.get(text);
		if (hash === undefined) return checkKeyFormat(text) ? this.#lookUp(text, waitUntil) : err(malformed(text));
		const found = this.#directory.key(hash, waitUntil);
		return found instanceof Promise ? found.then((result) => this.#admit(result)) : this.#admit(found);
	}

	async #lookUp(text: string, waitUntil: WaitUntil): Promise<Authenticated> {
		const hash = await hashKey(text);
		const found = await this.#directory.key(hash, waitUntil);
		if (found.ok && found.value) this.#hashes.set(text, hash);
		return this.#admit(found);
	}

	#admit(found: Result<Key | null, IsobarError>): Authenticated {
		if (!found.ok) return found;
		const key = found.value;
		if (key === null) return err(isobarError("key_invalid", "This API key is not known"));
		if (key.revoked_at !== null) {
			return err(isobarError("key_revoked", `The API key ${key.id} was revoked on ${dateOf(key.revoked_at)}`));
		}
		if (key.expires_at !== undefined && Date.parse(key.expires_at) / 1_000 <= this.#clock()) {
			return err(isobarError("key_expired", `The API key ${key.id} expired on ${key.expires_at}`));
		}
		return { ok: true, value: key };
	}
}

/** What the client offers as its key: `Authorization: Bearer`, `x-api-key` (Anthropic) or `api-key` (Azure). Among several
 *  the one that looks like ours counts, since the others may be meant for a proxy before us. Null: nothing. */
export function keyFromHeaders(headers: Headers): string | null {
	const bearer = /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
	if (bearer?.startsWith(KEY_PREFIX)) return bearer;
	const others = [headers.get("x-api-key"), headers.get("api-key")].map((each) => each?.trim() || null);
	return others.find((each) => each?.startsWith(KEY_PREFIX)) ?? bearer ?? others[0] ?? others[1] ?? null;
}

const KEY_MISSING = isobarError("key_missing", "No API key: send it as `Authorization: Bearer isobar_...`");

function malformed(text: string): IsobarError {
	const reason = text.startsWith(KEY_PREFIX)
		? "its check characters do not fit, so it was mistyped or cut off"
		: `keys of this gateway start with ${KEY_PREFIX}`;
	return isobarError("key_invalid", `This cannot be an API key: ${reason}`);
}

function dateOf(at: Seconds): string {
	return new Date(at * 1_000).toISOString();
}

let ofIsolate: Authenticator | undefined;

/** The one authenticator of this isolate, over its catalog cache. */
export function isolateAuthenticator(env: Pick<Env, "CATALOG" | "SETTINGS">): Authenticator {
	ofIsolate ??= new Authenticator(isolateCatalog(env), () => Date.now() / 1_000);
	return ofIsolate;
}
