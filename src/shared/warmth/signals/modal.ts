import type { WarmthSignal } from "../signal.ts";
import { countIn, objectIn, type HeardStatus } from "./heard.ts";

/** A Modal function's current stats, `backlog` and `num_total_runners` (or in camel case, as the JavaScript SDK has them). Runners
 *  with a backlog may be busy or may just start: that tells nothing. */
export function modalSignal({ status, body, at }: HeardStatus): WarmthSignal | null {
	const stats = status === 200 ? objectIn(body) : null;
	const name = stats && ["num_total_runners", "numTotalRunners"].find((each) => each in stats);
	if (!stats || !name || !("backlog" in stats)) return null;
	const [backlog, runners] = [countIn(stats, "backlog"), countIn(stats, name)];
	if (backlog === null || runners === null || (backlog > 0 && runners > 0)) return null;
	const state = runners > 0 ? "warm" : backlog > 0 ? "waking" : "cold";
	return { state, at, source: "modal_stats" };
}
