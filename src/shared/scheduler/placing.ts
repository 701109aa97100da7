import type { ReservationBook } from "../admission/reservations.ts";
import type { CatalogPool } from "../catalog/snapshot.ts";
import type { Seconds } from "../units.ts";
import type { Circumstances } from "./decide.ts";
import type { Estimators } from "./estimators.ts";
import type { AssignRequest } from "./messages.ts";
import type { Prefixes, PrefixLook } from "./prefixes.ts";
import type { Warmths } from "./warmths.ts";

/** The circumstances of a decision, and the look at its prefix that they rest on. */
export interface Placing extends Circumstances {
	readonly look: PrefixLook;
}

/** What is expected of the request, and how each replica stands to it, by what was learned and what is in flight. Good until
 *  the next one is asked for: the look-up of prefixes is shared. */
export function placingOf(
	request: AssignRequest,
	model: string,
	{ roundTrips, outputLengths, bytesPerToken }: Estimators,
	prefixes: Prefixes,
	warmths: Warmths,
	loads: Pick<ReservationBook, "load">,
	now: Seconds,
): Placing {
	const ratio = bytesPerToken.ratio(model);
	const estimate = Math.ceil(request.promptBytes / ratio);
	const promptTokens = Math.max(1, Math.min(estimate, request.promptTokensMax));
	const look = prefixes.look(request, ratio);
	// The replicas of a pool stand together.
	let pool: CatalogPool | undefined;
	let roundTrip = 0;
	return {
		look,
		session: look.session,
		promptTokens,
		outputTokens:
			request.outputTokensMax === 0 ? 0 : outputLengths.predict(model, request.key, request.outputTokensMax),
		load: ({ entry }) => loads.load(entry.name, now),
		roundTrip: ({ entry }) => {
			if (entry.pool !== pool) {
				pool = entry.pool;
				roundTrip = roundTrips.expected(request.edge, pool.id, pool.pool.place.round_trip_ms / 1_000, now);
			}
			return roundTrip;
		},
		cached: (replica) => prefixes.cached(replica, look, promptTokens),
		scales: warmths.any,
		start: (replica) => warmths.start(replica, now),
	};
}
