import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import { credentialOf } from "./credentials.ts";

const SECONDS = 5;

/** A GET of the engine's own (not of its OpenAI API), with the pool's credential, within five seconds. */
export function engineGet(replica: CatalogReplica, path: string, env: object): Promise<Response> {
	const headers = new Headers();
	const credential = credentialOf(replica.pool.pool.secret, env);
	if (credential !== null) headers.set("authorization", `Bearer ${credential}`);
	const signal = AbortSignal.timeout(SECONDS * 1_000);
	return fetch(replica.baseUrl + path, { headers, signal, redirect: "manual" });
}
