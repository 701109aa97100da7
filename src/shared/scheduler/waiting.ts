import { expectedWait } from "../admission/expected-wait.ts";
import { ServiceRates } from "../admission/service-rates.ts";
import { WaitingRoom, type WaitingEntry } from "../admission/waiting-room.ts";
import type { Seconds, Tokens } from "../units.ts";
import { candidatesOf, placesOf } from "./candidates.ts";
import type { Decision } from "./decide.ts";
import type { Fleet } from "./fleet.ts";
import type { Explanation } from "./explanation.ts";
import type { AssignReply, AssignRequest } from "./messages.ts";
import { overloaded, refused } from "./refusals.ts";

export interface WaitingOptions {
	readonly fleet: Fleet;
	readonly max: number;
	readonly tenantMax: number;
	/** In [0, 1). */
	readonly rng: () => number;
	/** A request that waited has its answer. */
	readonly onTurn: (reservation: string, reply: AssignReply) => void;
}

type Entry = WaitingEntry<AssignRequest>;

const FULL = {
	full: "Every replica is busy and the waiting room is full.",
	tenant_full: "Every replica is busy and too many of this tenant's requests wait already.",
};
/** Of those who could not be placed when a replica that they may use was free, so many are tried again at once. */
const LOOK_MAX = 8;
/** Mean seconds of a request before any has ended. */
const REQUEST_SECONDS_PRIOR = 5;

/** The requests that wait for a replica, and how long that takes. */
export class Waiting {
	readonly #options: WaitingOptions;
	readonly #room: WaitingRoom<AssignRequest>;
	readonly #rates = new ServiceRates();
	#requestSeconds: Seconds = REQUEST_SECONDS_PRIOR;

	constructor(options: WaitingOptions) {
		this.#options = options;
		const { max, tenantMax } = options;
		this.#room = new WaitingRoom({ max, tenantMax: Math.min(max, tenantMax) });
	}

	get size(): number {
		return this.#room.size;
	}

	/** A request that was placed took so long. */
	ended(seconds: Seconds): void {
		this.#requestSeconds += 0.02 * (seconds - this.#requestSeconds);
	}

	/** Gives a place, or says why not. Idempotent by reservation. `cost`: tokens that it is expected to take. */
	queue(request: AssignRequest, { explanation }: Decision, cost: Tokens, now: Seconds): AssignReply {
		const { reservation: id, tenant, policy } = request;
		const entry: Entry = {
			id,
			tenant,
			priority: policy.priority,
			weight: policy.fairWeight ?? 1,
			cost,
			candidates: candidatesOf(explanation),
			deadline: now + policy.waitingMax,
			enqueuedAt: now,
			payload: request,
		};
		// Asked before anything changes in the room: what is shed must not have displaced another.
		const expected = this.#expectedWait(this.#room.nextPosition(entry), entry, now);
		if (expected > policy.waitingMax && !this.#room.get(id)) {
			const why = `Every replica is busy, and the wait would be about ${expected.toFixed(0)} s.`;
			return this.#shed(entry, expected, why, explanation);
		}
		const offered = this.#room.offer(entry);
		if (!offered.ok) return this.#shed(entry, expected, FULL[offered.error], explanation);
		const { displaced, position } = offered.value;
		this.#rates.observe(entry.candidates, true, now);
		if (displaced) {
			this.#gone(displaced, now);
			const wait = this.#expectedWait(this.#room.sizeFor(this.#room.left(displaced.candidates)), displaced, now);
			const why = "The waiting room is full and a more urgent request came.";
			this.#options.onTurn(displaced.id, this.#shed(displaced, wait, why));
		}
		return { kind: "queued", position, expectedWait: this.#expectedWait(position, entry, now) };
	}

	leave(reservation: string, now: Seconds): void {
		const entry = this.#room.leave(reservation);
		if (entry) this.#gone(entry, now);
	}

	/** Answers those whose time is over. */
	expire(now: Seconds): void {
		for (const entry of this.#room.expire(now)) {
			this.#gone(entry, now);
			const waited = now - entry.enqueuedAt;
			const why = `No replica became free in ${waited.toFixed(1)} s.`;
			this.#options.onTurn(entry.id, this.#shed(entry, waited, why));
		}
	}

	/** Gives free places to those whose turn it is, until nobody who waits has a use for what is left. `free` says which
	 *  replicas have room (`freeReplicas`); `placement` how a request would be placed, or nothing. */
	giveTurns(
		free: () => bigint,
		placement: (request: AssignRequest) => ((waited: Seconds) => AssignReply) | undefined,
		now: Seconds,
	): void {
		while (this.#room.size > 0) {
			let place: ((waited: Seconds) => AssignReply) | undefined;
			const entry = this.#room.next(now, free(), ({ payload }) => (place = placement(payload)) !== undefined, LOOK_MAX);
			if (!entry || !place) return;
			this.#rates.turn(entry.candidates, now);
			this.#gone(entry, now);
			this.#options.onTurn(entry.id, place(now - entry.enqueuedAt));
		}
	}

	/** The fleet has changed: who waits may be able to use other replicas now, and they are numbered anew. */
	regroup(decide: (request: AssignRequest) => Decision, now: Seconds): void {
		this.#rates.clear();
		if (this.#room.size === 0) return;
		this.#room.regroup(({ payload }) => {
			const candidates = candidatesOf(decide(payload).explanation);
			this.#rates.observe(candidates, true, now);
			return candidates;
		});
	}

	#gone({ candidates }: Entry, now: Seconds): void {
		this.#rates.observe(candidates, this.#room.waits(candidates), now);
	}

	#expectedWait(position: number, { candidates }: Entry, now: Seconds): Seconds {
		const prior = placesOf(this.#options.fleet, this.#room.left(candidates)) / this.#requestSeconds;
		return expectedWait(position, this.#rates.perSecond(candidates, prior, now));
	}

	#shed({ payload }: Entry, wait: Seconds, why: string, explanation?: Explanation): AssignReply {
		return refused(overloaded(wait, payload.policy.waitingMax, why, this.#options.rng()), explanation);
	}
}
