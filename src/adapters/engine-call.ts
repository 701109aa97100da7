import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import type { Seconds } from "../shared/units.ts";
import type { EngineCall } from "../shared/warmth/engine-calls.ts";
import { credentialOf } from "./credentials.ts";

const SECONDS = 5;

export interface TimedCall {
	readonly method?: "GET" | "POST" | "PUT" | "PATCH";
	readonly url: string;
	/** JSON. */
	readonly body?: string;
	/** Name of the Worker secret that is sent as `Authorization: Bearer`. */
	readonly secret: string | undefined;
	/** For the answer and for reading it. */
	readonly seconds: Seconds;
}

/** What `read` makes of the answer to a call. Rejects when the two together take longer than the call may (with a
 *  `DeadlineError`), or the connection fails. */
export async function timedCall<T>(
	{ method = "GET", url, body, secret, seconds }: TimedCall,
	env: object,
	read: (response: Response) => Promise<T>,
): Promise<T> {
	const headers = new Headers();
	const credential = credentialOf(secret, env);
	if (credential !== null) headers.set("authorization", `Bearer ${credential}`);
	if (body !== undefined) headers.set("content-type", "application/json");
	const abort = new AbortController();
	// Not AbortSignal.timeout: its timer would keep an object in memory after the answer.
	const timer = setTimeout(() => abort.abort(new DeadlineError(`no answer in ${seconds} s`)), seconds * 1_000);
	const init = { method, headers, signal: abort.signal, redirect: "manual" } as const;
	try {
		return await read(await fetch(url, body === undefined ? init : { ...init, body }));
	} catch (error) {
		throw abort.signal.aborted ? abort.signal.reason : error;
	} finally {
		clearTimeout(timer);
	}
}

/** The secret for a call of a pool that scales to zero: its provider may have one of its own. */
export function secretFor(
	{ pool }: CatalogReplica,
	{ toProvider }: Pick<EngineCall, "toProvider">,
): string | undefined {
	return (toProvider && pool.pool.scale_to_zero?.secret) ?? pool.pool.secret;
}

export class DeadlineError extends Error {}

/** What `read` makes of a GET of the engine's own (not of its OpenAI API), with the pool's credential, within five seconds.
 *  Rejects as `timedCall` does. */
export function engineGet<T>(
	replica: CatalogReplica,
	path: string,
	env: object,
	read: (response: Response) => Promise<T>,
): Promise<T> {
	const { secret } = replica.pool.pool;
	return timedCall({ url: replica.baseUrl + path, secret, seconds: SECONDS }, env, read);
}
