import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import { credentialOf } from "./credentials.ts";

const SECONDS = 5;

/** What `read` makes of a GET of the engine's own (not of its OpenAI API), with the pool's credential. Rejects when the two
 *  together take more than five seconds, or the connection fails. */
export async function engineGet<T>(
	replica: CatalogReplica,
	path: string,
	env: object,
	read: (response: Response) => Promise<T>,
): Promise<T> {
	const headers = new Headers();
	const credential = credentialOf(replica.pool.pool.secret, env);
	if (credential !== null) headers.set("authorization", `Bearer ${credential}`);
	const abort = new AbortController();
	// Not AbortSignal.timeout: its timer would keep an object in memory after the answer.
	const timer = setTimeout(() => abort.abort(new Error(`no answer in ${SECONDS} s`)), SECONDS * 1_000);
	try {
		return await read(await fetch(replica.baseUrl + path, { headers, signal: abort.signal, redirect: "manual" }));
	} finally {
		clearTimeout(timer);
	}
}
