import type { Seconds } from "../../units.ts";

interface Count {
	escalated: number;
	asked: number;
	at: Seconds;
}

/** How many requests the prior weighs. */
const PRIOR_REQUESTS = 10;
/** What was seen counts half after a day: a ladder that the guard has stopped is tried again. */
const HALF_LIFE_SECONDS = 86_400;
const ENTRIES_MAX = 1_000;

/** What share of a ladder's requests reached its top, by ladder and domain, with a prior. */
export class EscalationRates {
	readonly #counts = new Map<string, Count>();

	/** `domains`: P(domain) by name; `prior`: what the estimates alone say. */
	rate(ladder: string, domains: readonly DomainShare[], prior: number, now: Seconds): number {
		let rate = 0;
		let share = 0;
		for (const { name, p } of domains) {
			const count = this.#counts.get(keyOf(ladder, name));
			const kept = count ? decay(now - count.at) : 0;
			const asked = (count?.asked ?? 0) * kept;
			const escalated = (count?.escalated ?? 0) * kept;
			rate += (p * (escalated + PRIOR_REQUESTS * prior)) / (asked + PRIOR_REQUESTS);
			share += p;
		}
		return rate + Math.max(0, 1 - share) * prior;
	}

	/** A request of this ladder has ended. */
	learn(ladder: string, domains: readonly DomainShare[], escalated: boolean, now: Seconds): void {
		for (const { name, p } of domains) {
			const key = keyOf(ladder, name);
			const before = this.#counts.get(key);
			const kept = before ? decay(now - before.at) : 0;
			this.#counts.delete(key);
			this.#counts.set(key, {
				asked: (before?.asked ?? 0) * kept + p,
				escalated: (before?.escalated ?? 0) * kept + (escalated ? p : 0),
				at: now,
			});
		}
		for (const oldest of this.#counts.keys()) {
			if (this.#counts.size <= ENTRIES_MAX) break;
			this.#counts.delete(oldest);
		}
	}
}

export interface DomainShare {
	readonly name: string;
	readonly p: number;
}

function keyOf(ladder: string, domain: string): string {
	return JSON.stringify([ladder, domain]);
}

function decay(seconds: Seconds): number {
	return 2 ** (-Math.max(0, seconds) / HALF_LIFE_SECONDS);
}
