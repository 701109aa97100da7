import { isolateAuthenticator } from "../../src/adapters/authenticate.ts";
import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import type { Key } from "../../src/shared/catalog/keys.ts";
import type { CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import type { IsobarError } from "../../src/shared/http/errors.ts";
import { ok, type Result } from "../../src/shared/result.ts";

export interface Caller {
	readonly key: Key;
	readonly snapshot: CatalogSnapshot;
}

/** The tenant's key that a request carries, and the catalog that it may use. */
export async function callerOf(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<Caller, IsobarError>> {
	const waitUntil = (promise: Promise<unknown>): void => ctx.waitUntil(promise);
	const key = await isolateAuthenticator(env).authenticate(request.headers, waitUntil);
	if (!key.ok) return key;
	const snapshot = await isolateCatalog(env).snapshot(waitUntil);
	return snapshot.ok ? ok({ key: key.value, snapshot: snapshot.value }) : snapshot;
}
