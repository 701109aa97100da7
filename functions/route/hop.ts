import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

/** Names the deployments that a request has passed through. */
export const HOP_HEADER = "x-isobar-hops";

let own: string | undefined;

/** The header for the next hop; `loop_detected` when this deployment stands in it already. A deployment is known by the id
 *  that its ledger namespace gives to a fixed name. */
export function nextHops(headers: Headers, env: Pick<Env, "LEDGER">): Result<string, IsobarError> {
	own ??= env.LEDGER.idFromName("hop").toString().slice(0, 16);
	const before = headers.get(HOP_HEADER);
	if (before?.split(/\s*,\s*/).includes(own)) {
		return err(isobarError("loop_detected", "The request came back to this gateway through one of its own pools."));
	}
	return ok(before === null ? own : `${before}, ${own}`);
}
