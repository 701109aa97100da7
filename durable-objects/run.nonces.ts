import { isobarError, type IsobarError } from "../src/shared/http/errors.ts";
import type { Seconds } from "../src/shared/units.ts";
import type { RunMembersStore } from "./run.members.store.ts";
import type { Nonce } from "./run.messages.ts";

/** Takes the nonce of a signature; what is wrong with it, or null. A nonce is remembered until its signature expires, so one that is
 *  over is refused here, by the clock that forgets it. Call in a transaction, and for a key that may write to the run. */
export function nonceFault(
	members: RunMembersStore,
	key: string,
	{ nonce, expiresAt }: Nonce,
	now: Seconds,
): IsobarError | null {
	if (expiresAt < now) return isobarError("signature_expired", "The signature has expired: sign the request anew");
	if (members.takeNonce(key, nonce, expiresAt, now)) return null;
	return isobarError("nonce_replayed", "This nonce was used before: sign the request anew");
}
