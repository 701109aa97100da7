import type { Load, ReservationBook } from "../admission/reservations.ts";
import type { Settings } from "../settings.ts";
import type { Seconds } from "../units.ts";
import type { Estimators } from "./estimators.ts";
import type { Fleet } from "./fleet.ts";
import type { Flight } from "./flights.ts";
import type { Hedging } from "./hedging.ts";
import type { Keeping } from "./keeping.ts";
import type { AssignReply, AssignRequest, ReplicaName } from "./messages.ts";
import type { Prefixes } from "./prefixes.ts";
import type { Waiting } from "./waiting.ts";
import type { Warmths } from "./warmths.ts";

/** A flight, and what its request was told: who asks again is told the same. */
export type Assigned = Flight & { readonly reply: AssignReply };

/** What one scheduler consists of, for what places requests and what ends them. */
export interface Parts {
	readonly settings: Pick<Settings, "reservationSeconds">;
	/** In [0, 1). */
	readonly rng: () => number;
	readonly fleet: Fleet;
	readonly estimators: Estimators;
	readonly prefixes: Prefixes;
	readonly warmths: Warmths;
	readonly keeping: Keeping;
	readonly hedging: Hedging;
	readonly waiting: Waiting;
	readonly book: ReservationBook;
	readonly flights: Map<string, Assigned>;
	/** Who waits and was counted as demand when he came. */
	readonly counted: WeakSet<AssignRequest>;
	/** What is in flight there, of this scheduler and its siblings. */
	load(replica: ReplicaName, now: Seconds): Load;
}
