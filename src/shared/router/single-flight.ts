import type { Seconds } from "../units.ts";

/** What a waiting request is told. */
export type Turn<A> =
	| { readonly kind: "answer"; readonly answer: A }
	| { readonly kind: "lead" }
	| { readonly kind: "gone" };

interface Waiter<A> {
	readonly asker: string;
	readonly tell: (turn: Turn<A>) => void;
}

interface Flight<A> {
	lead: string;
	/** Until then the lead is believed to be at work. */
	until: Seconds;
	readonly waiters: Waiter<A>[];
}

/** Of identical requests in flight one leads, and the others wait for its answer. A lead that fails, or gives no sign of life,
 *  hands over to the one that has waited longest. In memory: what is lost with it costs a second call, never a wrong answer. */
export class SingleFlight<A> {
	readonly #flights = new Map<string, Flight<A>>();
	readonly #leadSeconds: Seconds;

	constructor(leadSeconds: Seconds) {
		this.#leadSeconds = leadSeconds;
	}

	/** Whether the asker is to lead. */
	join(key: string, asker: string, now: Seconds): boolean {
		const flight = this.#flights.get(key);
		if (flight && (flight.until > now || flight.waiters.length > 0) && flight.lead !== asker) return false;
		this.#flights.set(key, { lead: asker, until: now + this.#leadSeconds, waiters: flight?.waiters ?? [] });
		return true;
	}

	/** Calls `tell` once; undefined where there is nothing to wait for. */
	wait(key: string, asker: string, tell: (turn: Turn<A>) => void): true | undefined {
		const flight = this.#flights.get(key);
		if (!flight) return undefined;
		flight.waiters.push({ asker, tell });
		return true;
	}

	renew(key: string, asker: string, now: Seconds): void {
		const flight = this.#flights.get(key);
		if (flight?.lead === asker) flight.until = now + this.#leadSeconds;
	}

	/** The answer is there: everybody gets it. */
	land(key: string, answer: A): void {
		const flight = this.#flights.get(key);
		this.#flights.delete(key);
		for (const waiter of flight?.waiters ?? []) waiter.tell({ kind: "answer", answer });
	}

	/** The asker leads no more, or waits no more. */
	leave(key: string, asker: string, now: Seconds): void {
		const flight = this.#flights.get(key);
		if (!flight) return;
		if (flight.lead === asker) return this.#handOver(key, flight, now);
		const index = flight.waiters.findIndex((waiter) => waiter.asker === asker);
		if (index >= 0) flight.waiters.splice(index, 1)[0]!.tell({ kind: "gone" });
	}

	/** Hands over for leads without a sign of life. When the next one may be due; infinite where nobody waits. */
	expire(now: Seconds): Seconds {
		let next = Infinity;
		for (const [key, flight] of this.#flights) {
			if (flight.until <= now) this.#handOver(key, flight, now);
			if (flight.waiters.length > 0) next = Math.min(next, flight.until);
		}
		return next;
	}

	#handOver(key: string, flight: Flight<A>, now: Seconds): void {
		const next = flight.waiters.shift();
		if (!next) return void this.#flights.delete(key);
		flight.lead = next.asker;
		flight.until = now + this.#leadSeconds;
		next.tell({ kind: "lead" });
	}
}
