import type { Seconds } from "../units.ts";

interface Running {
	readonly weight: number;
	readonly enteredAt: number;
	readonly beganAt: Seconds;
}

/** Divides a replica's busy time among its requests by token-time: at each instant every request in flight pays in
 *  proportion to the tokens it holds. The shares of all requests add up to the busy seconds (weighted processor sharing;
 *  a virtual clock makes begin and end O(1)), so bills by time add up to the invoice, and idle time is nobody's. Where several
 *  meters see a part of the replica's requests each, what the others hold takes its share of the time too, and is billed
 *  there. */
export class TokenTimeMeter {
	readonly #running = new Map<string, Running>();
	#weight = 0;
	/** Seconds per unit of weight, integrated over busy time. */
	#virtual = 0;
	#busy: Seconds = 0;
	/** Tokens that requests of other meters hold on the replica, as of the last word. */
	#beside = 0;
	#besideUntil: Seconds = 0;
	#now: Seconds = 0;

	/** `tokens` is what the request is expected to hold: prompt and output. A second begin of an id changes nothing. */
	begin(id: string, tokens: number, now: Seconds): void {
		if (this.#running.has(id)) return;
		this.#advance(now);
		const weight = Math.max(1, tokens);
		this.#running.set(id, { weight, enteredAt: this.#virtual, beganAt: now });
		this.#weight += weight;
	}

	/** The request's share in seconds of GPU time; zero for an id that is not running. `since`: when it really began, where the
	 *  meter came later (its object was evicted since): the time that was not measured is divided as what was measured. */
	end(id: string, now: Seconds, since?: Seconds): Seconds {
		this.#advance(now);
		const running = this.#running.get(id);
		if (!running) return 0;
		this.#running.delete(id);
		const measured = now - running.beganAt;
		const share = running.weight * (this.#virtual - running.enteredAt);
		const missed = since === undefined ? 0 : Math.max(0, running.beganAt - since);
		const rate = measured > 0 ? Math.min(1, share / measured) : running.weight / (this.#weight + this.#beside);
		// An empty replica starts from exactly zero again, so that rounding never accumulates.
		this.#weight = this.#running.size === 0 ? 0 : this.#weight - running.weight;
		return share + missed * rate;
	}

	/** The share of a request that is running, so far; zero for an id that is not. */
	share(id: string, now: Seconds): Seconds {
		this.#advance(now);
		const running = this.#running.get(id);
		return running ? running.weight * (this.#virtual - running.enteredAt) : 0;
	}

	/** From now on requests of other meters hold so many tokens there, for `seconds` if nothing more is told. */
	beside(tokens: number, seconds: Seconds, now: Seconds): void {
		this.#advance(now);
		this.#beside = tokens;
		this.#besideUntil = now + seconds;
	}

	/** The seconds that were billed here or are to be: those in which at least one request was in flight, without other meters'
	 *  shares of them. */
	busy(now: Seconds): Seconds {
		this.#advance(now);
		return this.#busy;
	}

	#advance(now: Seconds): void {
		if (this.#beside > 0 && now >= this.#besideUntil) {
			this.#integrate(this.#besideUntil);
			this.#beside = 0;
		}
		this.#integrate(now);
	}

	#integrate(now: Seconds): void {
		// A clock that goes back stops the meter until it has caught up.
		const elapsed = now - this.#now;
		if (elapsed <= 0) return;
		this.#now = now;
		if (this.#running.size === 0) return;
		const perToken = elapsed / (this.#weight + this.#beside);
		this.#busy += perToken * this.#weight;
		this.#virtual += perToken;
	}
}
