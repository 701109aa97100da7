import type { SchedulerCore } from "./core.ts";
import type { AssignReply, AssignRequest } from "./messages.ts";
import type { Seconds } from "../units.ts";

/** Chooses for each request in turn. One that throws, which is a bug, gets null and is told to `onBug`: those that came with it are
 *  not to blame. */
export function assignEach(
	core: Pick<SchedulerCore, "assign">,
	requests: readonly AssignRequest[],
	now: Seconds,
	onBug: (reservation: string, error: unknown) => void,
): (AssignReply | null)[] {
	return requests.map((request) => {
		try {
			return core.assign(request, now);
		} catch (error) {
			onBug(request.reservation, error);
			return null;
		}
	});
}
