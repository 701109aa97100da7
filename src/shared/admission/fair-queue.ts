import { Heap, heapSlot } from "./heap.ts";
import { link, LinkedList } from "./linked-list.ts";

/** What a queue needs to know of an item. `cost` is in any unit that is the same for all, such as tokens. */
export interface Chargeable {
	readonly tenant: string;
	readonly cost: number;
}

/** One tenant in one queue. */
class Flow<T> {
	readonly tenant: string;
	readonly weight: number;
	readonly waiting = new LinkedList<Place<T>>();
	readonly slot = heapSlot<Flow<T>>(this);
	/** The heap that it is in while it waits. */
	heap: Heap<Flow<T>> | undefined;
	/** Virtual start of its first item; while none waits, the virtual finish of its last. */
	start = 0;
	turns = 0;

	constructor(tenant: string, weight: number) {
		this.tenant = tenant;
		this.weight = weight;
	}
}

/** An item's place in a queue. */
class Place<T> {
	readonly item: T;
	readonly flow: Flow<T>;
	/** Counts arrivals in the queue, and in the flow. */
	readonly order: number;
	readonly turn: number;
	readonly inFlow = link<Place<T>>(this);
	readonly inQueue = link<Place<T>>(this);

	constructor(item: T, flow: Flow<T>, order: number) {
		this.item = item;
		this.flow = flow;
		this.order = order;
		this.turn = flow.turns++;
	}
}
export type { Place };

function fairer<T>(a: Flow<T>, b: Flow<T>): boolean {
	return a.start < b.start || (a.start === b.start && a.waiting.first!.order < b.waiting.first!.order);
}

function sooner<T>(a: Flow<T>, b: Flow<T>): boolean {
	return a.start < b.start;
}

/** `mine` turns of a tenant, of whose weight all that wait have `weights` times as much, in a queue of `size`. */
function turnsUntil(mine: number, weights: number, size: number): number {
	return Math.min(size, Math.max(mine, Math.ceil(mine * weights)));
}

/** Weighted fair queue over tenants, first in first out inside a tenant: start-time fair queueing (Goyal, Vin and Cheng,
 *  SIGCOMM 1996). A tenant's next item starts at `max(virtual time, its last finish)` and finishes `cost / weight` later; the
 *  least start goes first and becomes the virtual time. For any span in which two tenants wait throughout, their costs taken,
 *  each over its weight, differ by at most the sum of their largest `cost / weight`.
 *
 *  A tag is charged when an item is taken, so an item that leaves costs its tenant nothing. Unlike a packet, an item may be one
 *  that cannot be placed now; see `take`. A tenant so passed over keeps its place, but not the time: it is owed nothing for it,
 *  as if it had been idle. Each operation is O(log tenants), `take` for each look. */
export class FairQueue<T extends Chargeable> {
	readonly #weightOf: (tenant: string) => number;
	readonly #flows = new Map<string, Flow<T>>();
	readonly #arrivals = new LinkedList<Place<T>>();
	/** Tenants with nothing waiting whose last finish is still ahead of the virtual time. */
	#idle = new Heap<Flow<T>>(sooner);
	/** Waiting tenants: those still to be looked at in this round, and those for the next. */
	#round = new Heap<Flow<T>>(fairer);
	#later = new Heap<Flow<T>>(fairer);
	#virtualTime = 0;
	#weights = 0;
	#orders = 0;

	constructor(weightOf: (tenant: string) => number) {
		this.#weightOf = weightOf;
	}

	get size(): number {
		return this.#arrivals.size;
	}

	/** The item whose turn is next, placeable or not. */
	get first(): T | undefined {
		return this.#fairest()?.first?.waiting.first?.item;
	}

	get newest(): T | undefined {
		return this.#arrivals.last?.item;
	}

	newestOf(tenant: string): T | undefined {
		return this.#flows.get(tenant)?.waiting.last?.item;
	}

	add(item: T): Place<T> {
		const flow = this.#flow(item.tenant);
		const place = new Place(item, flow, this.#orders++);
		this.#arrivals.append(place.inQueue);
		flow.waiting.append(place.inFlow);
		if (flow.waiting.size === 1) {
			this.#idle.remove(flow.slot);
			flow.start = Math.max(flow.start, this.#virtualTime);
			this.#weights += flow.weight;
			this.#await(flow);
		}
		return place;
	}

	/** Takes an item out uncharged. The place must be one of this queue that was neither removed nor taken. */
	remove(place: Place<T>): void {
		const { flow } = place;
		this.#forget(place);
		if (flow.waiting.size > 0) flow.heap?.moved(flow.slot);
		else this.#rest(flow);
	}

	/** Takes the fairest item that is admissible, and charges its tenant. Only the first item of a tenant is looked at, and of
	 *  these at most `lookMax` (at least 2). Half of the looks go to the fairest; the other half go round, so that however many
	 *  items cannot be placed, every tenant is looked at again within `2 * tenants / lookMax` calls. */
	take(admissible: (item: T) => boolean, lookMax: number): T | undefined {
		const looks = Math.max(2, lookMax);
		const looked: Flow<T>[] = [];
		let taken: Place<T> | undefined;
		try {
			while (!taken && looked.length < looks) {
				const heap = looked.length < looks >> 1 || this.#round.size === 0 ? this.#fairest() : this.#round;
				const flow = heap?.pop();
				if (!flow) break;
				looked.push(flow);
				const place = flow.waiting.first!;
				if (admissible(place.item)) taken = place;
			}
		} finally {
			for (const flow of looked) if (flow !== taken?.flow) this.#await(flow);
		}
		if (taken) this.#charge(taken);
		if (this.#round.size === 0) [this.#round, this.#later] = [this.#later, this.#round];
		return taken?.item;
	}

	/** How many turns until this item's, itself counted: an estimate as if all items cost the same and nobody came or left. */
	position(place: Place<T>): number {
		const { waiting, weight } = place.flow;
		const mine = Math.min(waiting.size, place.turn - waiting.first!.turn + 1);
		return turnsUntil(mine, this.#weights / weight, this.size);
	}

	/** The same for an item that the tenant would add now. */
	nextPosition(tenant: string): number {
		const flow = this.#flows.get(tenant);
		const weight = flow?.weight ?? this.#weight(tenant);
		const mine = (flow?.waiting.size ?? 0) + 1;
		const weights = this.#weights + (mine === 1 ? weight : 0);
		return turnsUntil(mine, weights / weight, this.size + 1);
	}

	#weight(tenant: string): number {
		const weight = this.#weightOf(tenant);
		return weight > 0 && weight < Infinity ? weight : 1;
	}

	#flow(tenant: string): Flow<T> {
		let flow = this.#flows.get(tenant);
		if (!flow) {
			flow = new Flow<T>(tenant, this.#weight(tenant));
			this.#flows.set(tenant, flow);
		}
		return flow;
	}

	#fairest(): Heap<Flow<T>> | undefined {
		const a = this.#round.first;
		const b = this.#later.first;
		if (!a) return b && this.#later;
		return b && fairer(b, a) ? this.#later : this.#round;
	}

	/** Always into the next round: a round that only shrinks comes to its end. */
	#await(flow: Flow<T>): void {
		flow.heap = this.#later;
		this.#later.push(flow.slot);
	}

	#charge(place: Place<T>): void {
		const { flow, item } = place;
		this.#virtualTime = Math.max(this.#virtualTime, flow.start);
		flow.start = this.#virtualTime + item.cost / flow.weight;
		this.#forget(place);
		if (flow.waiting.size > 0) this.#await(flow);
		else this.#rest(flow);
		while (this.#idle.first && this.#idle.first.start <= this.#virtualTime) {
			this.#flows.delete(this.#idle.pop()!.tenant);
		}
	}

	#forget(place: Place<T>): void {
		place.flow.waiting.remove(place.inFlow);
		this.#arrivals.remove(place.inQueue);
	}

	/** Nothing of this tenant waits any more. The end of a busy period is the end of all tags, as in the paper. */
	#rest(flow: Flow<T>): void {
		flow.heap?.remove(flow.slot);
		flow.heap = undefined;
		if (this.size > 0) {
			this.#weights -= flow.weight;
			if (flow.start > this.#virtualTime) this.#idle.push(flow.slot);
			else this.#flows.delete(flow.tenant);
			return;
		}
		this.#flows.clear();
		this.#idle = new Heap(sooner);
		this.#virtualTime = 0;
		this.#weights = 0;
	}
}
