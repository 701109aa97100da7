import type { Renewal, ReplicaName } from "../scheduler/messages.ts";
import type { Seconds, Tokens } from "../units.ts";
import { Backlog, type Pace } from "./backlog.ts";
import { Heap, heapSlot } from "./heap.ts";
import { Recent } from "./recent.ts";

/** One request that is in flight on a replica. */
export interface Reservation {
	readonly id: string;
	readonly replica: ReplicaName;
	readonly tenant: string;
	readonly key: string;
	readonly promptTokens: Tokens;
	/** Of these, what is to be computed; the rest is expected in the replica's prefix cache. */
	readonly uncachedTokens: Tokens;
	/** Names the cached beginning of the prompt: requests of one name keep it in memory once. Null: nothing is cached. */
	readonly prefix: number | null;
	/** Expected, not the most that it may be. */
	readonly outputTokens: Tokens;
	readonly reservedAt: Seconds;
	/** When its first token is counted as come if nobody says so: answers that are not streamed never do. */
	readonly expectedStart: Seconds;
}

export interface NewReservation extends Omit<Reservation, "reservedAt" | "uncachedTokens" | "prefix"> {
	/** Default: all of the prompt. */
	readonly uncachedTokens?: Tokens;
	readonly prefix?: number | null;
	/** Of the replica's prefill. Absent: its progress is not followed. */
	readonly pace?: Pace;
	readonly now: Seconds;
	/** It ends by itself when it is not renewed for so long. */
	readonly seconds: Seconds;
}

/** What a replica is working on. */
export interface Load {
	readonly inFlight: number;
	/** Prompt tokens that are left to compute, by now, of the requests whose first token has not come. */
	readonly pendingTokens: Tokens;
	/** Requests whose first token has come. */
	readonly decoding: number;
	/** Prompt and expected output tokens of all. */
	readonly heldTokens: Tokens;
	/** The same with cached beginnings that several have in common counted once: what the KV cache cannot give up. */
	readonly residentTokens: Tokens;
	/** Expected output tokens of all. */
	readonly outputTokens: Tokens;
}

class Booking {
	readonly reservation: Reservation;
	readonly expiry = heapSlot<Booking>(this);
	readonly start = heapSlot<Booking>(this);
	expiresAt: Seconds;

	constructor(reservation: Reservation, expiresAt: Seconds) {
		this.reservation = reservation;
		this.expiresAt = expiresAt;
	}
}

class ReplicaLoad implements Load {
	readonly unstarted = new Heap<Booking>((a, b) => a.reservation.expectedStart < b.reservation.expectedStart);
	readonly backlog = new Backlog();
	inFlight = 0;
	/** Prompt tokens of the unstarted, as if none of them were computed yet; and what is left as of the last look. */
	queuedTokens = 0;
	pendingTokens = 0;
	decoding = 0;
	heldTokens = 0;
	residentTokens = 0;
	outputTokens = 0;
	/** How many requests have a cached beginning in common, by its name, and its tokens: those of the first. */
	readonly prefixes = new Map<number, { users: number; readonly tokens: Tokens }>();
}

const IDLE: Load = { inFlight: 0, pendingTokens: 0, decoding: 0, heldTokens: 0, residentTokens: 0, outputTokens: 0 };
/** A message that was overtaken by the end of its reservation is late by less than this. */
export const ENDED_SECONDS: Seconds = 120;
/** Where more than 273 reservations end in a second, the last so many are remembered: 5 MB in two generations, 10 MB with shares. At
 *  20,000 a second that is 1.6 s, still several times the isolates' deadline. */
export const ENDED_MAX = 32_768;

/** What is in flight on each replica of one scheduler. Messages may be repeated, late or of unknown reservations: all
 *  operations are idempotent, and one that has ended is not brought back by what arrives after. */
export class ReservationBook {
	readonly #bookings = new Map<string, Booking>();
	readonly #replicas = new Map<ReplicaName, ReplicaLoad>();
	readonly #expiries = new Heap<Booking>((a, b) => a.expiresAt < b.expiresAt);
	readonly #ended = new Recent<true>(ENDED_SECONDS, ENDED_MAX);

	get size(): number {
		return this.#bookings.size;
	}

	/** Whether its end was told, as far as that is remembered. */
	hasEnded(id: string): boolean {
		return this.#ended.get(id) ?? false;
	}

	/** `held`: it was there already, and is unchanged. `ended`: its end came before it, and nothing is reserved. */
	reserve({ now, seconds, pace, ...reservation }: NewReservation): "reserved" | "held" | "ended" {
		if (this.#bookings.has(reservation.id)) return "held";
		if (this.hasEnded(reservation.id)) return "ended";
		const { uncachedTokens = reservation.promptTokens, prefix = null } = reservation;
		this.#add({ ...reservation, uncachedTokens, prefix, reservedAt: now }, now + seconds, now, pace);
		return "reserved";
	}

	/** Its first token came, `after` seconds after it was reserved as far as that is known: its prompt is no longer pending. */
	started(id: string, now: Seconds, after = Infinity): void {
		const booking = this.#bookings.get(id);
		if (booking) this.#start(booking, Math.min(now, booking.reservation.reservedAt + after));
	}

	/** It is over, however it went. Undefined when it was not held. */
	end(id: string, now: Seconds): Reservation | undefined {
		this.#ended.set(id, true, now);
		const booking = this.#bookings.get(id);
		if (booking) this.#remove(booking, now);
		return booking?.reservation;
	}

	/** It is still in flight, and lives until `now + seconds`. One that is unknown is rebuilt (this object was evicted since, or
	 *  the fallback had decided), and one that is on another replica than was thought is moved there; either counts as started
	 *  from `expectedStart` on, by default at once: it is as old as the time between two renewals. */
	renew(renewal: Renewal, now: Seconds, seconds: Seconds, expectedStart = now): "renewed" | "rebuilt" | "ended" {
		const { reservation: id, replica, tenant, key, promptTokens, outputTokens, started, age } = renewal;
		if (this.hasEnded(id)) return "ended";
		const known = this.#bookings.get(id);
		if (known?.reservation.replica === replica) {
			known.expiresAt = Math.max(known.expiresAt, now + seconds);
			this.#expiries.moved(known.expiry);
			if (started) this.#start(known, now);
			return "renewed";
		}
		if (known) this.#remove(known, now);
		const reservedAt = now - age;
		const what = { id, replica, tenant, key, promptTokens, outputTokens, reservedAt, expectedStart };
		const booking = this.#add({ ...what, uncachedTokens: promptTokens, prefix: null }, now + seconds, now);
		if (started) this.#start(booking, now);
		return "rebuilt";
	}

	/** Ends those that were not renewed in time, at most `max` of them in one call; the longest overdue first. A renewal that
	 *  comes after all brings one back. */
	expire(now: Seconds, max = 256): Reservation[] {
		const expired: Reservation[] = [];
		while (expired.length < max) {
			const first = this.#expiries.first;
			if (!first || first.expiresAt > now) break;
			this.#remove(first, now);
			expired.push(first.reservation);
		}
		return expired;
	}

	/** Amortised O(1), nothing is allocated: the answer is the book's own, and changes with it. */
	load(replica: ReplicaName, now: Seconds): Load {
		const load = this.#replicas.get(replica);
		if (!load) return IDLE;
		for (
			let first = load.unstarted.first;
			first && first.reservation.expectedStart <= now;
			first = load.unstarted.first
		) {
			this.#start(first, first.reservation.expectedStart);
		}
		load.pendingTokens = load.backlog.left(load.queuedTokens, now);
		return load;
	}

	#add(reservation: Reservation, expiresAt: Seconds, now: Seconds, pace?: Pace): Booking {
		const booking = new Booking(reservation, expiresAt);
		let load = this.#replicas.get(reservation.replica);
		if (!load) this.#replicas.set(reservation.replica, (load = new ReplicaLoad()));
		load.inFlight += 1;
		load.backlog.sent(load.queuedTokens, reservation.uncachedTokens, pace, now);
		load.queuedTokens += reservation.uncachedTokens;
		load.heldTokens += reservation.promptTokens + reservation.outputTokens;
		load.residentTokens += reservation.uncachedTokens + reservation.outputTokens + addPrefix(load, reservation);
		load.outputTokens += reservation.outputTokens;
		load.unstarted.push(booking.start);
		this.#expiries.push(booking.expiry);
		this.#bookings.set(reservation.id, booking);
		return booking;
	}

	#start(booking: Booking, at: Seconds): void {
		if (booking.start.index < 0) return;
		const load = this.#dequeue(booking);
		load.backlog.advanced(load.queuedTokens, at);
		load.decoding += 1;
	}

	#dequeue({ reservation, start }: Booking): ReplicaLoad {
		const load = this.#replicas.get(reservation.replica)!;
		load.unstarted.remove(start);
		load.queuedTokens = load.unstarted.size > 0 ? load.queuedTokens - reservation.uncachedTokens : 0;
		return load;
	}

	#remove(booking: Booking, now: Seconds): void {
		const { reservation, expiry } = booking;
		const load = this.#replicas.get(reservation.replica)!;
		if (booking.start.index < 0) load.decoding -= 1;
		else this.#dequeue(booking).backlog.gone(load.queuedTokens, now);
		this.#expiries.remove(expiry);
		this.#bookings.delete(reservation.id);
		load.inFlight -= 1;
		load.heldTokens -= reservation.promptTokens + reservation.outputTokens;
		load.residentTokens -= reservation.uncachedTokens + reservation.outputTokens + removePrefix(load, reservation);
		load.outputTokens -= reservation.outputTokens;
		if (load.inFlight === 0) this.#replicas.delete(reservation.replica);
	}
}

/** Tokens that become resident with the reservation's cached beginning. */
function addPrefix({ prefixes }: ReplicaLoad, { prefix, promptTokens, uncachedTokens }: Reservation): Tokens {
	const tokens = promptTokens - uncachedTokens;
	if (prefix === null) return tokens;
	const known = prefixes.get(prefix);
	if (known) known.users += 1;
	else prefixes.set(prefix, { users: 1, tokens });
	return known ? 0 : tokens;
}

/** Tokens that are no longer held by anybody. */
function removePrefix({ prefixes }: ReplicaLoad, { prefix, promptTokens, uncachedTokens }: Reservation): Tokens {
	if (prefix === null) return promptTokens - uncachedTokens;
	const known = prefixes.get(prefix)!;
	known.users -= 1;
	if (known.users > 0) return 0;
	prefixes.delete(prefix);
	return known.tokens;
}
