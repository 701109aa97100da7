import { ENGINES } from "../shared/catalog/engines.ts";
import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import { credentialOf } from "./credentials.ts";

const PROBE_SECONDS = 5;

/** Asks a replica whose engine has a health check: 200 when it runs. Any other answer, or none in five seconds, is a bad one. */
export async function probeReplica(replica: CatalogReplica, env: object): Promise<boolean> {
	const { healthPath } = ENGINES[replica.pool.pool.engine];
	const headers = new Headers();
	const credential = credentialOf(replica.pool.pool.secret, env);
	if (credential !== null) headers.set("authorization", `Bearer ${credential}`);
	try {
		const signal = AbortSignal.timeout(PROBE_SECONDS * 1_000);
		const response = await fetch(`${replica.baseUrl}${healthPath}`, { headers, signal, redirect: "manual" });
		await response.body?.cancel();
		return response.status === 200;
	} catch {
		return false;
	}
}
