import type { Seconds, Usd } from "../units.ts";

/** One request of late, as the pools that scale to zero stood to it. */
export interface PlanRequest<T> {
	readonly at: Seconds;
	/** The best score among what is always there; infinite where that is nothing. */
	readonly otherwise: Usd;
	readonly options: readonly PlanOption<T>[];
}

export interface PlanOption<T> {
	readonly replica: T;
	/** Its score there if it was kept warm, so that its seconds cost nothing more. */
	readonly usd: Usd;
	/** Seconds of the replica that nobody else can use. */
	readonly work: Seconds;
}

/** Requests that are remembered, each of which stands for all since the one before: so many, so far apart at least. */
const REQUESTS_MAX = 128;
const SPACING: Seconds = 5;
/** So many make a plan. */
const REQUESTS_MIN = 20;
const AGE_MAX: Seconds = 3_600;
/** Of a replica's time, that is given away. */
const LOAD_MAX = 0.8;
/** More replicas than this are not planned together. */
const REPLICAS_MAX = 8;
/** A set replaces the present one when it costs so much less. */
const BETTER = 0.95;

/** Which replicas are worth being up all the time, together: of all sets the one that would have cost least for the requests of
 *  late, `sum of their seconds + sum over requests of the best score in the set or elsewhere`, where none works for more than 80 %
 *  of the time. What each of them is worth alone does
 *  not tell that: of two that can stand in for one another each is worthless beside the other, and the dearer one may be up. */
export class Plan<T> {
	#requests: readonly (PlanRequest<T> & { readonly weight: number })[] = [];
	#skipped = 0;
	#set: ReadonlySet<T> = new Set();

	has(replica: T): boolean {
		return this.#set.has(replica);
	}

	asked(request: PlanRequest<T>): void {
		this.#skipped++;
		if (request.at - (this.#requests.at(-1)?.at ?? -Infinity) < SPACING) return;
		this.#requests = [...this.#requests.slice(1 - REQUESTS_MAX), { ...request, weight: this.#skipped }];
		this.#skipped = 0;
	}

	/** `price`: of a second of each. `always`: those that are up in any case. */
	update(replicas: readonly T[], always: readonly T[], price: (replica: T) => Usd, now: Seconds): void {
		this.#requests = this.#requests.filter(({ at }) => at > now - AGE_MAX);
		if (this.#requests.length < REQUESTS_MIN || replicas.length > REPLICAS_MAX) {
			this.#set = new Set();
			return;
		}
		const seconds = now - this.#requests[0]!.at;
		const costOf = (set: ReadonlySet<T>): Usd => {
			const left = new Map([...set, ...always].map((replica) => [replica, LOAD_MAX * seconds]));
			let usd = 0;
			for (const replica of set) usd += price(replica) * seconds;
			for (const { otherwise, options, weight } of this.#requests) {
				let least = otherwise;
				let taken: PlanOption<T> | undefined;
				for (const option of options) {
					if (option.usd >= least || (left.get(option.replica) ?? 0) < weight * option.work) continue;
					least = option.usd;
					taken = option;
				}
				if (taken) left.set(taken.replica, left.get(taken.replica)! - weight * taken.work);
				usd += Number.isFinite(least) ? weight * least : 0;
			}
			return usd;
		};
		let best = new Set([...this.#set].filter((replica) => replicas.includes(replica)));
		let least = BETTER * costOf(best);
		for (let bits = 0; bits < 2 ** replicas.length; bits++) {
			const set = new Set(replicas.filter((_, n) => (bits >> n) & 1));
			const usd = costOf(set);
			if (usd >= least) continue;
			least = usd;
			best = set;
		}
		this.#set = best;
	}
}
