import type { Seconds } from "../units.ts";
import type { SchedulerCore } from "./core.ts";
import type { Outlook } from "./messages.ts";

/** What a scheduler publishes for routers at this edge. `from`: its name. */
export function outlookOf(core: SchedulerCore, model: string, from: string, edge: string, now: Seconds): Outlook {
	core.lookAtWarmth(now);
	const { bytesPerToken, outputLengths, roundTrips } = core.estimators;
	const pools = new Set(core.fleet.replicas.map(({ entry }) => entry.pool));
	const roundTrip = (id: string, prior: Seconds): Seconds => roundTrips.expected(edge, id, prior, now);
	return {
		summary: core.summary(from, "abroad", now),
		bytesPerToken: bytesPerToken.ratio(model),
		outputLength: outputLengths.ofModel(model),
		roundTrips: Object.fromEntries(
			[...pools].map(({ id, pool }) => [id, roundTrip(id, pool.place.round_trip_ms / 1_000)]),
		),
	};
}
