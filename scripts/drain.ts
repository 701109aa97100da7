import { setTimeout } from "node:timers/promises";
import type { FleetLoad } from "./admin-client.ts";

const POLL_SECONDS = 0.1;
/** An isolate settles with what has ended within a few flushes (`flushSeconds`, 0.05). */
const SETTLE_SECONDS = 0.3;

/** Waits until no request is in flight or waits, and what has ended is settled; not longer than `secondsMax`. `onBusy` is
 *  called once if there is something to wait for. A gateway that does not answer is not waited for. */
export async function drained(
	load: () => Promise<FleetLoad>,
	secondsMax: number,
	onBusy: (requests: number) => void,
): Promise<void> {
	const deadline = performance.now() + secondsMax * 1_000;
	for (let requests = await requestsIn(load), first = true; requests > 0; requests = await requestsIn(load)) {
		if (first) onBusy(requests);
		first = false;
		if (performance.now() > deadline) return;
		await setTimeout(POLL_SECONDS * 1_000);
	}
	await setTimeout(SETTLE_SECONDS * 1_000);
}

async function requestsIn(load: () => Promise<FleetLoad>): Promise<number> {
	const fleet = await load().catch(() => null);
	return Object.values(fleet?.models ?? {}).reduce(
		(sum, model) => sum + (model?.in_flight ?? 0) + (model?.waiting ?? 0),
		0,
	);
}
