import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import { credentialOf } from "./credentials.ts";

const PROBE_SECONDS = 5;

/** Asks a vLLM replica for `/health`: 200 when its engine runs. Any other answer, or none in five seconds, is a bad one. */
export async function probeReplica(replica: CatalogReplica, env: object): Promise<boolean> {
	const headers = new Headers();
	const credential = credentialOf(replica.pool.pool.secret, env);
	if (credential !== null) headers.set("authorization", `Bearer ${credential}`);
	try {
		const signal = AbortSignal.timeout(PROBE_SECONDS * 1_000);
		const response = await fetch(`${replica.baseUrl}/health`, { headers, signal, redirect: "manual" });
		await response.body?.cancel();
		return response.status === 200;
	} catch {
		return false;
	}
}
