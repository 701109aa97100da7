import { unaskedPath } from "../shared/catalog/engines.ts";
import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import { engineGet } from "./engine-call.ts";

/** Whether a replica can be probed without sending it a request, or waking it. */
export function canProbe({ pool: { pool } }: CatalogReplica): boolean {
	return unaskedPath(pool, "health") !== null;
}

/** Asks a replica's engine for its health: 200 when it runs. Any other answer, none in five seconds, or an engine that has no
 *  health check or would be woken by it, is a bad one. */
export async function probeReplica(replica: CatalogReplica, env: object): Promise<boolean> {
	const healthPath = unaskedPath(replica.pool.pool, "health");
	if (healthPath === null) return false;
	try {
		return await engineGet(replica, healthPath, env, async (response) => {
			await response.body?.cancel();
			return response.status === 200;
		});
	} catch {
		return false;
	}
}
