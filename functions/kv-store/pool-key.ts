import { credentialOf } from "../../src/adapters/credentials.ts";
import { isSameSecret } from "../../src/adapters/same-secret.ts";
import type { CatalogReplica, CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

const REPLICA = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})\/[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The replica that a request speaks for, by its header `x-isobar-kv-replica`, if its bearer token is the key of that replica's
 *  pool. Else `invalid_request`, `pool_key_invalid` or `replica_not_found`, the last only to who has the pool's key. */
export async function replicaOf(
	headers: Headers,
	snapshot: CatalogSnapshot,
	env: Env,
): Promise<Result<CatalogReplica, IsobarError>> {
	const name = headers.get("x-isobar-kv-replica") ?? "";
	const poolId = REPLICA.exec(name)?.[1];
	if (poolId === undefined) {
		const message = "Name the replica as pool/replica in the header x-isobar-kv-replica";
		return err(isobarError("invalid_request", message, { param: "x-isobar-kv-replica" }));
	}
	const token = /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "";
	const expected = credentialOf(snapshot.pools.get(poolId)?.pool.events_secret, env);
	// Compared in any case, so that neither text nor time tells which pools there are.
	const isKey = await isSameSecret(token, expected ?? "");
	if (expected === null || !isKey) return err(POOL_KEY_INVALID);
	const replica = snapshot.replicas.get(name);
	if (replica) return ok(replica);
	const message = `Pool ${poolId} has no replica ${JSON.stringify(name)}`;
	return err(isobarError("replica_not_found", message, { param: "x-isobar-kv-replica" }));
}

const POOL_KEY_INVALID = isobarError(
	"pool_key_invalid",
	"This is not the key of that replica's pool: send the secret that the pool names as `events_secret` as `Authorization: Bearer`",
);
