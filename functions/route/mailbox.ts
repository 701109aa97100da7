import type { Bill, Ended, FirstToken, Renewal, SchedulerMail } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";

/** A request in flight: what its renewal needs. */
export interface Flight {
	readonly renewal: Omit<Renewal, "started" | "age">;
	readonly since: Seconds;
	started: boolean;
}

interface Ending {
	readonly message: Ended;
	/** Told once: the attributed share, or null where the scheduler has none (priced by the token, or it does not know). */
	readonly billed: (share: Seconds | null) => void;
	tries: number;
}

/** A batch that is on its way. Exactly one of the two is called. */
export interface Parcel {
	readonly mail: SchedulerMail;
	delivered(bills: readonly Bill[]): void;
	/** It may not have arrived: everything goes out again (the scheduler takes duplicates). */
	lost(): void;
}

/** After this many lost tries an ending is given up: the reservation ends by itself, and the bill is counted here. */
const TRIES_MAX = 3;

/** What one isolate has to tell one scheduler: gathered here, sent in batches or on the back of the next `assign`. */
export class Mailbox {
	#first: FirstToken[] = [];
	#ended: Ending[] = [];
	readonly #flights = new Map<string, Flight>();
	#renewedAt: Seconds;

	constructor(now: Seconds) {
		this.#renewedAt = now;
	}

	/** A reservation was made: it is renewed until it ends. */
	depart(flight: Flight): void {
		this.#flights.set(flight.renewal.reservation, flight);
	}

	firstToken(message: FirstToken): void {
		const flight = this.#flights.get(message.reservation);
		if (flight) flight.started = true;
		this.#first.push(message);
	}

	ended(message: Ended, billed: (share: Seconds | null) => void): void {
		this.#flights.delete(message.reservation);
		this.#ended.push({ message, billed, tries: 0 });
	}

	get isEmpty(): boolean {
		return this.#first.length === 0 && this.#ended.length === 0;
	}

	get inFlight(): number {
		return this.#flights.size;
	}

	/** Everything that waits, with renewals when `renewEvery` has passed since the last ones. */
	take(now: Seconds, renewEvery: Seconds): Parcel {
		const first = this.#first;
		const ended = this.#ended;
		this.#first = [];
		this.#ended = [];
		let renewals: Renewal[] = [];
		if (this.#flights.size > 0 && now - this.#renewedAt >= renewEvery) {
			this.#renewedAt = now;
			renewals = [...this.#flights.values()].map((f) => ({ ...f.renewal, started: f.started, age: now - f.since }));
		}
		return {
			mail: { first, ended: ended.map((e) => e.message), renewals },
			delivered: (bills) => {
				if (ended.length === 0) return;
				const shareOf = new Map(bills.map((bill) => [bill.reservation, bill.seconds]));
				for (const ending of ended) ending.billed(shareOf.get(ending.message.reservation) ?? null);
			},
			lost: () => {
				this.#first.unshift(...first);
				for (const ending of ended) {
					if (++ending.tries >= TRIES_MAX) ending.billed(null);
					else this.#ended.unshift(ending);
				}
				if (renewals.length > 0) this.#renewedAt = now - renewEvery;
			},
		};
	}
}
