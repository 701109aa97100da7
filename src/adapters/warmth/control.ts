import type { CatalogReplica } from "../../shared/catalog/snapshot.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import { idleTimeoutCall, letGoCall, type EngineCall } from "../../shared/warmth/engine-calls.ts";
import type { Seconds } from "../../shared/units.ts";
import { secretFor, timedCall } from "../engine-call.ts";

/** Putting an engine to sleep moves its weights to the host's memory. */
const SECONDS = 60;

/** Puts a replica to sleep or scales its pool to zero. Never rejects; the error says what was answered. */
export function letGo(replica: CatalogReplica, env: object): Promise<Result<null, string>> {
	return tell(letGoCall(replica), replica, env);
}

/** Sets the idle time-out at the provider. Never rejects; the error says what was answered. */
export function setIdleTimeout(replica: CatalogReplica, seconds: Seconds, env: object): Promise<Result<null, string>> {
	return tell(idleTimeoutCall(replica, seconds)?.call ?? null, replica, env);
}

async function tell(call: EngineCall | null, replica: CatalogReplica, env: object): Promise<Result<null, string>> {
	if (!call) return err("there is no call for that");
	const secret = secretFor(replica, call);
	try {
		return await timedCall({ ...call, secret, seconds: SECONDS }, env, async (response) => {
			await response.body?.cancel();
			if (response.ok) return ok(null);
			return err(`${call.method} ${new URL(call.url).pathname} was answered ${response.status}`);
		});
	} catch (error) {
		return err(error instanceof Error ? error.message : String(error));
	}
}
