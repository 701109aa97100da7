import { PRIORITIES } from "../catalog/priorities.ts";
import type { Priority } from "../catalog/keys.ts";

/** Classes below the first, with the share of all service (by cost) that each has for certain while it waits. */
export type Shares = Readonly<Partial<Record<Priority, number>>>;

export const SHARES: Shares = { standard: 0.2, batch: 0.05 };

/** Keeps strict priority from starving the classes below: each earns its share of every cost that is served while it waits,
 *  and may go ahead of its betters once it has earned its first item. Work-conserving: what a class does not use is not kept.
 *
 *  A minimum share rather than aging: under lasting overload aging lifts everything to the top, so that what is interactive
 *  queues behind hours of batch, while a share costs it exactly that share. The counters are those of deficit round robin
 *  (Shreedhar and Varghese, SIGCOMM 1995). */
export class MinimumShares {
	readonly #shares: Shares;
	readonly #credit = new Map<Priority, number>();

	constructor(shares: Shares) {
		this.#shares = shares;
	}

	of(priority: Priority): number {
		return this.#shares[priority] ?? 0;
	}

	/** Whether a class that waits, with an item of this cost to go first, may go ahead of the classes above it. */
	due(priority: Priority, cost: number): boolean {
		return (this.#credit.get(priority) ?? 0) >= cost && this.of(priority) > 0;
	}

	/** An item was served. `ahead`: it went ahead of a class above it, which is what the credit pays for. `firstCost` is the
	 *  cost of a class's first item before this one was taken, 0 if none waited. A class that waits saves up for two items at
	 *  most, lest one that could not be placed for a while comes back with a flood; one that does not only pays off its debt. */
	served(priority: Priority, cost: number, ahead: boolean, firstCost: (priority: Priority) => number): void {
		for (const name of PRIORITIES) {
			const earned = this.of(name) * cost;
			if (earned === 0) continue;
			const credit = this.#credit.get(name) ?? 0;
			const first = firstCost(name);
			const most = first > 0 ? Math.max(credit, 2 * first, 2 * earned) : 0;
			const paid = name === priority && ahead ? cost : 0;
			this.#credit.set(name, Math.min(most, credit + earned) - paid);
		}
	}

	/** A class has nothing waiting any more. */
	emptied(priority: Priority): void {
		const credit = this.#credit.get(priority) ?? 0;
		if (credit > 0) this.#credit.set(priority, 0);
	}
}
