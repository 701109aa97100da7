import { PRIORITIES } from "../catalog/priorities.ts";
import type { Priority } from "../catalog/keys.ts";
import { err, ok } from "../result.ts";
import type { Result } from "../result.ts";
import type { Seconds, Tokens } from "../units.ts";
import { FairQueue } from "./fair-queue.ts";
import { Heap, heapSlot } from "./heap.ts";
import { MinimumShares, SHARES } from "./minimum-share.ts";
import type { Shares } from "./minimum-share.ts";
import type { Place } from "./waiting-line.ts";

export interface WaitingEntry<T> {
	readonly id: string;
	readonly tenant: string;
	readonly priority: Priority;
	/** Tokens that the request is expected to take, prompt and answer. */
	readonly cost: Tokens;
	/** Its tenant's weight in the class: `FairQueue`. */
	readonly weight: number;
	/** Who may take it, a bit each: those are waited for, whether they could now or not. */
	readonly candidates: bigint;
	readonly deadline: Seconds;
	readonly enqueuedAt: Seconds;
	readonly payload: T;
}

export interface Offered<T> {
	/** Turns until its own, itself counted; an estimate. */
	readonly position: number;
	/** Had to leave for this one, and is to be answered. */
	readonly displaced: WaitingEntry<T> | undefined;
}

export interface WaitingRoomOptions {
	readonly max: number;
	readonly tenantMax: number;
	readonly shares?: Shares;
}

class Waiting<T> {
	entry: WaitingEntry<T>;
	readonly tenant: string;
	readonly cost: Tokens;
	readonly weight: number;
	readonly slot = heapSlot<Waiting<T>>(this);
	place: Place<Waiting<T>> | undefined;

	constructor(entry: WaitingEntry<T>) {
		this.entry = entry;
		this.tenant = entry.tenant;
		this.cost = Math.max(1, entry.cost);
		this.weight = entry.weight;
	}

	get candidates(): bigint {
		return this.entry.candidates;
	}
}

function sooner<T>(a: Waiting<T>, b: Waiting<T>): boolean {
	return a.entry.deadline < b.entry.deadline;
}

/** The bounded waiting room of one scheduler.
 *
 *  Who goes first: the higher class, except that a lower one is never without its minimum share (`MinimumShares`); in a class
 *  the tenant that had the least for its weight (`FairQueue`); of a tenant the first that came.
 *
 *  Who gets in: `max` in all, of which each class with a minimum share has that share of places kept for it, so that it cannot
 *  be shut out at the door either; `tenantMax` of one tenant. When there is no place, the newest entry of the lowest class
 *  below the arriving one makes way, if that class has more than its kept places: the newest has waited least and would
 *  have been served last. A tenant at its own bound makes way for itself in the same manner.
 *
 *  Each entry leaves once: by `next`, `leave`, `expire`, or displaced by `offer`. Every operation is O(log entries). */
export class WaitingRoom<T> {
	readonly #max: number;
	readonly #tenantMax: number;
	readonly #shares: MinimumShares;
	readonly #queues: ReadonlyMap<Priority, FairQueue<Waiting<T>>>;
	readonly #waiting = new Map<string, Waiting<T>>();
	readonly #tenants = new Map<string, number>();
	readonly #deadlines = new Heap<Waiting<T>>(sooner);

	constructor({ max, tenantMax, shares = SHARES }: WaitingRoomOptions) {
		this.#max = max;
		this.#tenantMax = tenantMax;
		this.#shares = new MinimumShares(shares);
		this.#queues = new Map(PRIORITIES.map((priority) => [priority, new FairQueue<Waiting<T>>()]));
	}

	get size(): number {
		return this.#waiting.size;
	}

	get(id: string): WaitingEntry<T> | undefined {
		return this.#waiting.get(id)?.entry;
	}

	/** Idempotent by id: an entry that waits already keeps its place. Throws on a cost or deadline that is not a number. */
	offer(entry: WaitingEntry<T>): Result<Offered<T>, "full" | "tenant_full"> {
		const known = this.#waiting.get(entry.id);
		if (known) return ok({ position: this.#position(known), displaced: undefined });
		if (!Number.isFinite(entry.cost) || Number.isNaN(entry.deadline)) {
			throw new RangeError(`waiting room: cost ${entry.cost}, deadline ${entry.deadline}`);
		}

		const tenantFull = (this.#tenants.get(entry.tenant) ?? 0) >= this.#tenantMax;
		let displaced: Waiting<T> | undefined;
		const fits = this.#hasPlace(entry.priority);
		if (tenantFull || !fits) {
			displaced = this.#displaceable(entry.priority, fits, tenantFull ? entry.tenant : undefined);
			if (!displaced) return err(tenantFull ? "tenant_full" : "full");
			this.#remove(displaced);
		}

		const waiting = new Waiting(entry);
		this.#waiting.set(entry.id, waiting);
		this.#tenants.set(entry.tenant, (this.#tenants.get(entry.tenant) ?? 0) + 1);
		this.#deadlines.push(waiting.slot);
		waiting.place = this.#queue(entry.priority).add(waiting);
		return ok({ position: this.#position(waiting), displaced: displaced?.entry });
	}

	/** Takes the entry whose turn it is among those that one of the `free` candidates may take and that `admissible` says can
	 *  be placed now. What cannot be placed hides nothing that can; `lookMax` bounds the looks at those, in each class, that
	 *  were found not to be admissible before (`FairQueue`). An entry past its deadline is never taken: call `expire` first.
	 *  `admissible` must not touch the room. */
	next(
		now: Seconds,
		free: bigint,
		admissible: (entry: WaitingEntry<T>) => boolean,
		lookMax: number,
	): WaitingEntry<T> | undefined {
		const placeable = (waiting: Waiting<T>) => waiting.entry.deadline > now && admissible(waiting.entry);
		const due = PRIORITIES.filter((priority) => this.#isDue(priority));
		for (const priority of due) {
			const taken = this.#take(priority, free, placeable, lookMax, this.#aboveWaits(priority));
			if (taken) return taken;
		}
		for (const priority of PRIORITIES) {
			if (due.includes(priority)) continue;
			// Going first because those above cannot be placed now is not at their cost, so it is not paid for.
			const taken = this.#take(priority, free, placeable, lookMax, false);
			if (taken) return taken;
		}
		return undefined;
	}

	/** Undefined when it does not wait (any more). */
	leave(id: string): WaitingEntry<T> | undefined {
		const waiting = this.#waiting.get(id);
		if (waiting) this.#remove(waiting);
		return waiting?.entry;
	}

	/** Who may take what has changed. Everybody keeps his place. */
	regroup(candidatesOf: (entry: WaitingEntry<T>) => bigint): void {
		for (const waiting of this.#waiting.values()) {
			waiting.entry = { ...waiting.entry, candidates: candidatesOf(waiting.entry) };
		}
		for (const queue of this.#queues.values()) queue.regroup();
	}

	/** Takes out all entries whose deadline has come, the most overdue first. */
	expire(now: Seconds): WaitingEntry<T>[] {
		const expired: WaitingEntry<T>[] = [];
		for (let first = this.#deadlines.first; first && first.entry.deadline <= now; first = this.#deadlines.first) {
			this.#remove(first);
			expired.push(first.entry);
		}
		return expired;
	}

	/** The position that a request would be given: to shed one that could not wait so long before it displaces another. Turns
	 *  until its own, itself counted, among those that wait for the same (`left`). An estimate: it takes all entries as equally
	 *  large and assumes that nobody comes or leaves. */
	nextPosition(next: Pick<WaitingEntry<T>, "tenant" | "priority" | "cost" | "weight" | "candidates">): number {
		const candidates = this.left(next.candidates);
		const within = this.#queue(next.priority).nextPosition({ ...next, candidates });
		return this.#overall(next.priority, candidates, within, 1);
	}

	/** What is left of these candidates without those of entries that can use some of them only, however few; all of them where
	 *  nothing is. For estimates: who can go elsewhere need not count on what others cannot do without. */
	left(candidates: bigint): bigint {
		let left = candidates;
		for (const queue of this.#queues.values()) {
			for (const set of queue.sets()) if (set !== candidates && (set & candidates) === set) left &= ~set;
		}
		return left === 0n ? candidates : left;
	}

	/** Whether somebody waits who has exactly these candidates. */
	waits(candidates: bigint): boolean {
		for (const queue of this.#queues.values()) if (queue.waits(candidates)) return true;
		return false;
	}

	/** How many wait for one of these candidates. */
	sizeFor(candidates: bigint): number {
		let size = 0;
		for (const queue of this.#queues.values()) size += queue.sizeFor(candidates);
		return size;
	}

	#queue(priority: Priority): FairQueue<Waiting<T>> {
		return this.#queues.get(priority)!;
	}

	#kept(priority: Priority): number {
		return Math.floor(this.#shares.of(priority) * this.#max);
	}

	/** Holds throughout: entries and unused kept places together are at most `max`. */
	#hasPlace(priority: Priority): boolean {
		let free = this.#max - this.size;
		for (const [name, queue] of this.#queues) {
			if (name !== priority) free -= Math.max(0, this.#kept(name) - queue.size);
		}
		return free > 0;
	}

	/** The newest of the lowest class below; of one tenant, where that has too many. A class is left its kept places, except
	 *  where there is room anyway and a tenant only trades one of its own for another. */
	#displaceable(priority: Priority, fits: boolean, tenant: string | undefined): Waiting<T> | undefined {
		for (let at = PRIORITIES.length - 1; at > PRIORITIES.indexOf(priority); at--) {
			const queue = this.#queue(PRIORITIES[at]!);
			if (!fits && queue.size <= this.#kept(PRIORITIES[at]!)) continue;
			const newest = tenant === undefined ? queue.newest : queue.newestOf(tenant);
			if (newest) return newest;
		}
		return undefined;
	}

	#isDue(priority: Priority): boolean {
		const first = this.#queue(priority).first;
		return first !== undefined && this.#shares.due(priority, first.cost);
	}

	#take(
		priority: Priority,
		free: bigint,
		placeable: (waiting: Waiting<T>) => boolean,
		lookMax: number,
		ahead: boolean,
	): WaitingEntry<T> | undefined {
		const taken = this.#queue(priority).take(free, placeable, lookMax);
		if (!taken) return undefined;
		this.#shares.served(priority, taken.cost, ahead, (name) =>
			name === priority ? taken.cost : (this.#queue(name).first?.cost ?? 0),
		);
		this.#forget(taken);
		return taken.entry;
	}

	#aboveWaits(priority: Priority): boolean {
		for (const name of PRIORITIES) {
			if (name === priority) return false;
			if (this.#queue(name).size > 0) return true;
		}
		return false;
	}

	#position({ entry: { priority }, candidates: all, place }: Waiting<T>): number {
		const candidates = this.left(all);
		return this.#overall(priority, candidates, this.#queue(priority).position(place!, candidates), 0);
	}

	/** The position in all classes, with `more` that do not wait yet, of one at `within` in its own. */
	#overall(priority: Priority, candidates: bigint, within: number, more: number): number {
		const rank = PRIORITIES.indexOf(priority);
		let above = 0;
		let below = 0;
		let size = more;
		for (const [at, name] of PRIORITIES.entries()) {
			const waiting = this.#queue(name).sizeFor(candidates);
			size += waiting;
			if (at < rank) above += waiting;
			else if (at > rank && waiting > 0) below += this.#shares.of(name);
		}
		const byRank = Math.ceil((above + within) / Math.max(0.5, 1 - below));
		const share = this.#shares.of(priority);
		return Math.min(size, byRank, share > 0 ? Math.ceil(within / share) : Infinity);
	}

	#remove(waiting: Waiting<T>): void {
		this.#queue(waiting.entry.priority).remove(waiting.place!);
		this.#forget(waiting);
	}

	#forget(waiting: Waiting<T>): void {
		const { id, tenant, priority } = waiting.entry;
		this.#waiting.delete(id);
		this.#deadlines.remove(waiting.slot);
		const left = this.#tenants.get(tenant)! - 1;
		if (left > 0) this.#tenants.set(tenant, left);
		else this.#tenants.delete(tenant);
		if (this.#queue(priority).size === 0) this.#shares.emptied(priority);
	}
}
