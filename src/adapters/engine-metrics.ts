import { unaskedPath } from "../shared/catalog/engines.ts";
import type { CatalogReplica } from "../shared/catalog/snapshot.ts";
import { readEngineMark, type EngineMark } from "../shared/kv/engine-mark.ts";
import { ENGINE_METRICS_BYTES_MAX } from "../shared/limits.ts";
import { engineGet } from "./engine-call.ts";
import { textUpTo } from "./text-up-to.ts";

/** Reads from a replica's metrics which life of its engine this is. Null: it has none, would be woken by the question, does not
 *  say, or says more than `ENGINE_METRICS_BYTES_MAX`; a look-up that may fail, because what is in its cache is also seen from
 *  its answers. */
export async function readMark(replica: CatalogReplica, env: object): Promise<EngineMark | null> {
	const metricsPath = unaskedPath(replica.pool.pool, "metrics");
	if (metricsPath === null) return null;
	try {
		return await engineGet(replica, metricsPath, env, async (response) => {
			if (response.status === 200) {
				const text = await textUpTo(response, ENGINE_METRICS_BYTES_MAX);
				return text === null ? null : readEngineMark(text);
			}
			await response.body?.cancel();
			return null;
		});
	} catch {
		return null;
	}
}
