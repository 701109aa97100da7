import type { CatalogReplica } from "../../shared/catalog/snapshot.ts";
import { STATUS_BYTES_MAX } from "../../shared/limits.ts";
import type { WarmthSignal } from "../../shared/warmth/signal.ts";
import { statusSignal, statusUrlOf } from "../../shared/warmth/signals/status.ts";
import { timedCall } from "../engine-call.ts";
import { textUpTo } from "../text-up-to.ts";

const SECONDS = 5;

/** Whether a replica's state can be read without waking it or resetting its idle timer. */
export function canReadWarmth(replica: CatalogReplica): boolean {
	return statusUrlOf(replica) !== null;
}

/** A replica's state as its provider or engine tells it. Null: nobody can be asked without waking it, or there was no answer
 *  within five seconds, or one that says nothing. Never rejects. */
export async function readWarmth(replica: CatalogReplica, env: object): Promise<WarmthSignal | null> {
	const url = statusUrlOf(replica);
	const { pool } = replica.pool;
	const zero = pool.scale_to_zero;
	if (url === null || !zero) return null;
	try {
		const secret = zero.secret ?? pool.secret;
		return await timedCall({ url, secret, seconds: SECONDS }, env, async (response) => {
			const body = (await textUpTo(response, STATUS_BYTES_MAX)) ?? "";
			return statusSignal(zero, { status: response.status, body, at: Date.now() / 1_000 });
		});
	} catch {
		return null;
	}
}
