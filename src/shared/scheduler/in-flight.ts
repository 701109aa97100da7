import { Recent } from "../admission/recent.ts";
import { ENDED_MAX, ENDED_SECONDS, type Reservation } from "../admission/reservations.ts";
import type { Seconds } from "../units.ts";
import type { ReplicaState } from "./fleet.ts";
import { billOf, judge, learn, noteStart, rebuiltBillOf, type Flight } from "./flights.ts";
import type { Bill, Ended, FirstToken, Renewal, ReplicaName } from "./messages.ts";
import type { Parts } from "./parts.ts";

/** The requests in flight, from their assignment to their end, as isolates tell of them. Takes duplicates, and what comes late
 *  or is of a request that nobody knows. */
export class InFlight {
	readonly #parts: Parts;
	/** Of what ended: whoever did not get the answer asks again. */
	readonly #bills = new Recent<Bill>(ENDED_SECONDS, ENDED_MAX);

	constructor(parts: Parts) {
		this.#parts = parts;
	}

	/** A replica that went cold has lost what its caches held. */
	readonly onCold = ({ entry }: ReplicaState): void => {
		this.#parts.prefixes.forget(entry.name);
	};

	began({ reservation, headers, ttft, warmth }: FirstToken, now: Seconds): void {
		const { book, flights, warmths } = this.#parts;
		book.started(reservation, now, ttft);
		const flight = flights.get(reservation);
		if (!flight) return;
		flight.headers = headers;
		if (!warmths.answered(flight, reservation, ttft, "first", warmth, this.onCold, now) && warmth)
			warmths.observe(flight.replica, warmth, now);
		noteStart(flight, reservation, now);
	}

	/** It is still in flight. Makes its reservation anew where the object was evicted since. */
	renew(renewal: Renewal, now: Seconds): void {
		const replica = this.#parts.fleet.get(renewal.replica);
		if (!replica) return;
		const { reservation } = renewal;
		this.#parts.waiting.leave(reservation, now);
		const flight = this.#parts.flights.get(reservation);
		if (flight && flight.replica !== replica) {
			// The fallback had sent it elsewhere than was decided here too late.
			flight.replica.meter?.end(reservation, now);
			this.#ground(reservation, undefined, now);
			this.#moved(flight, replica);
		}
		const outcome = this.#parts.book.renew(renewal, now, this.#parts.settings.reservationSeconds);
		if (outcome === "rebuilt") replica.meter?.begin(reservation, renewal.promptTokens + renewal.outputTokens, now);
	}

	/** An end that is told again gets the same bill again. */
	ended(ended: Ended, now: Seconds): Bill | undefined {
		const { reservation } = ended;
		if (!this.#parts.book.hasEnded(reservation)) {
			const bill = this.#end(ended, now);
			if (bill) this.#bills.set(reservation, bill, now);
		}
		return this.#bills.get(reservation);
	}

	/** Nothing came of what it was given. */
	left(reservation: string, now: Seconds): void {
		const { book, flights, prefixes } = this.#parts;
		const flight = flights.get(reservation);
		if (!flight) return;
		const { replica, prefix } = flight;
		book.end(reservation, now);
		this.#ground(reservation, undefined, now);
		replica.meter?.end(reservation, now);
		if (prefix) prefixes.dropped(prefix);
	}

	/** Ends reservations that were not renewed. */
	expire(now: Seconds): void {
		const { book, flights, fleet, prefixes } = this.#parts;
		for (const { id, replica } of book.expire(now)) {
			// Not ended in the book: a renewal that comes after all brings it back.
			const prefix = flights.get(id)?.prefix;
			if (prefix) prefixes.dropped(prefix);
			this.#ground(id, undefined, now);
			fleet.get(replica)?.meter?.end(id, now);
		}
	}

	#end(ended: Ended, now: Seconds): Bill | undefined {
		const { reservation } = ended;
		const booked = this.#parts.book.end(reservation, now);
		const flight = this.#ground(reservation, ended, now);
		const ranAt = this.#parts.fleet.get(ended.replica ?? flight?.replica.entry.name ?? booked?.replica ?? "");
		if (ended.warmth && ranAt && (!flight?.warmth || ended.replica !== undefined))
			this.#parts.warmths.observe(ranAt, ended.warmth, now);
		if (ended.replica !== undefined) return this.#endElsewhere(ended, ended.replica, booked, flight, now);
		const replica = flight?.replica ?? (booked && this.#parts.fleet.get(booked.replica));
		if (!replica) return undefined;
		if (flight) {
			judge(replica, flight.assignedAt, ended, now, this.#parts.rng());
			const { prefix, request, promptTokens } = flight;
			const seen = { ...ended, cachedTokens: this.#parts.prefixes.noteAnswer(replica, request, ended, now) };
			const ratio = this.#parts.estimators.bytesPerToken.ratio(replica.entry.pool.model.id);
			if (prefix) this.#parts.prefixes.ended(prefix, seen, promptTokens, request, ratio);
			learn(flight, seen, this.#parts.book.load(replica.entry.name, now).inFlight + 1, this.#parts.estimators, now);
			this.#parts.waiting.ended(now - flight.assignedAt);
		}
		return flight
			? billOf(replica, reservation, now, flight)
			: rebuiltBillOf(replica, reservation, now, booked?.reservedAt);
	}

	/** Ends a request that the fallback had sent to `name`, whatever was decided for it here meanwhile. It tells of that
	 *  replica's health; nothing is learned from it, because what stood before it there is not known. */
	#endElsewhere(
		ended: Ended,
		name: ReplicaName,
		booked: Reservation | undefined,
		flight: Flight | undefined,
		now: Seconds,
	): Bill | undefined {
		const { reservation } = ended;
		this.#parts.waiting.leave(reservation, now);
		const replica = this.#parts.fleet.get(name);
		if (flight && flight.replica !== replica) flight.replica.meter?.end(reservation, now);
		if (flight) this.#moved(flight, ended.outcome === "ok" ? replica : undefined);
		if (!replica) return undefined;
		judge(replica, now - ended.seconds, ended, now, this.#parts.rng());
		// Without a booking there its share of GPU time was not measured.
		return booked?.replica === name ? rebuiltBillOf(replica, reservation, now, booked.reservedAt) : undefined;
	}

	/** The fallback had sent it elsewhere, where it is computed unless that is unknown. */
	#moved({ prefix, replica }: Flight, to: ReplicaState | undefined): void {
		if (!prefix) return;
		if (to !== replica) this.#parts.prefixes.dropped(prefix);
		if (to) this.#parts.prefixes.computed(to, prefix.chain);
	}

	/** The flight is over, or not ours to follow any longer. */
	#ground(reservation: string, ended: Ended | undefined, now: Seconds): Flight | undefined {
		const flight = this.#parts.flights.get(reservation);
		this.#parts.flights.delete(reservation);
		if (!flight?.warmth) return flight;
		const { replica, warmth } = flight;
		replica.warmth?.used(now);
		if (this.#parts.load(replica.entry.name, now).inFlight === 0) this.#parts.keeping.lookAgain(replica);
		const here = ended?.replica === undefined ? ended : undefined;
		if (here && warmth.cold === null && (here.ttft !== null || here.outcome === "ok")) {
			const until = here.ttft === null ? "whole" : "first";
			this.#parts.warmths.answered(
				flight,
				reservation,
				here.ttft ?? here.seconds,
				until,
				here.warmth,
				this.onCold,
				now,
			);
			noteStart(flight, reservation, now);
		} else {
			this.#parts.warmths.unanswered(replica, reservation, warmth, here, this.onCold, now);
		}
		return flight;
	}
}
