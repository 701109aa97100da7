import type { Bill, Ended, FirstToken, Renewal, SchedulerMail } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";

/** A request in flight: what its renewal needs. */
export interface Flight {
	readonly renewal: Omit<Renewal, "started" | "age">;
	readonly since: Seconds;
	started: boolean;
}

/** Told once: the attributed share, or null where the scheduler has none (priced by the token, or it does not know). */
export type Billed = (share: Bill | null) => void;

interface Ending {
	readonly message: Ended;
	readonly billed: Billed;
	tries: number;
}

/** A batch that is on its way. Exactly one of the two is called. */
export interface Parcel {
	readonly mail: SchedulerMail;
	delivered(bills: readonly Bill[]): void;
	/** It may not have arrived: what counts goes out again (the scheduler takes duplicates). */
	lost(): void;
}

/** First tokens that wait at most: what a scheduler does not hear of it learns from the next. */
const FIRST_MAX = 1_000;
/** Endings in one parcel, each of some hundred bytes; the others go with the next. */
const ENDED_PER_PARCEL_MAX = 5_000;
/** After this many lost tries an ending is given up: the reservation ends by itself, and the bill is counted here. */
const TRIES_MAX = 3;

/** What one isolate has to tell one scheduler: gathered here, sent in batches or on the back of the next `assign`. */
export class Mailbox {
	#first: FirstToken[] = [];
	#ended: Ending[] = [];
	readonly #flights = new Map<string, Flight>();
	readonly #flightSecondsMax: Seconds;
	#renewedAt: Seconds;

	/** No request is in flight for longer than `flightSecondsMax`. */
	constructor(now: Seconds, flightSecondsMax: Seconds) {
		this.#renewedAt = now;
		this.#flightSecondsMax = flightSecondsMax;
	}

	/** A reservation was made: it is renewed until it ends. */
	depart(flight: Flight): void {
		this.#flights.set(flight.renewal.reservation, flight);
	}

	firstToken(message: FirstToken): void {
		const flight = this.#flights.get(message.reservation);
		if (flight) flight.started = true;
		if (this.#first.length < FIRST_MAX) this.#first.push(message);
	}

	ended(message: Ended, billed: Billed): void {
		this.#flights.delete(message.reservation);
		this.#ended.push({ message, billed, tries: 0 });
	}

	get isEmpty(): boolean {
		return this.#first.length === 0 && this.#ended.length === 0;
	}

	get inFlight(): number {
		return this.#flights.size;
	}

	/** What waits, oldest first, with renewals when `renewEvery` has passed since the last ones. */
	take(now: Seconds, renewEvery: Seconds): Parcel {
		const first = this.#first;
		const ended = this.#ended.slice(0, ENDED_PER_PARCEL_MAX);
		this.#first = [];
		this.#ended = this.#ended.length > ended.length ? this.#ended.slice(ended.length) : [];
		let renewals: Renewal[] = [];
		if (this.#flights.size > 0 && now - this.#renewedAt >= renewEvery) {
			this.#renewedAt = now;
			// The runtime may end a request without a word: its reservation ends then, instead of being renewed for ever.
			for (const [id, { since }] of this.#flights) if (now - since > this.#flightSecondsMax) this.#flights.delete(id);
			renewals = [...this.#flights.values()].map((f) => ({ ...f.renewal, started: f.started, age: now - f.since }));
		}
		return {
			mail: { first, ended: ended.map((e) => e.message), renewals },
			delivered: (bills) => {
				if (ended.length === 0) return;
				const shareOf = new Map(bills.map((bill) => [bill.reservation, bill]));
				for (const ending of ended) ending.billed(shareOf.get(ending.message.reservation) ?? null);
			},
			lost: () => {
				// First tokens are not sent again: renewals say that a request has started, and the rest is of no use when it is late.
				const again = ended.filter((ending) => ++ending.tries < TRIES_MAX);
				this.#ended = again.concat(this.#ended);
				for (const ending of ended) if (ending.tries >= TRIES_MAX) ending.billed(null);
				if (renewals.length > 0) this.#renewedAt = now - renewEvery;
			},
		};
	}
}
