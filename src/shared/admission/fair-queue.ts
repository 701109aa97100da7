import { Heap } from "./heap.ts";
import { link, LinkedList } from "./linked-list.ts";
import { fairer, Flow, Group, Line, Place, type Chargeable } from "./waiting-line.ts";

function sooner<T>(a: Flow<T>, b: Flow<T>): boolean {
	return a.start < b.start;
}

/** `mine` turns of a tenant, of whose weight all that wait have `weights` times as much, in a queue of `size`. */
function turnsUntil(mine: number, weights: number, size: number): number {
	return Math.min(size, Math.max(mine, Math.ceil(mine * weights)));
}

function weightOf({ weight }: Chargeable): number {
	return weight > 0 && weight < Infinity ? weight : 1;
}

/** Weighted fair queue over tenants, first in first out inside a tenant: start-time fair queueing (Goyal, Vin and Cheng,
 *  SIGCOMM 1996). A tenant's next item starts at `max(virtual time, its last finish)` and finishes `cost / weight` later; the
 *  least start goes first and becomes the virtual time. For any span in which two tenants wait throughout, their costs taken,
 *  each over its weight, differ by at most the sum of their largest `cost / weight`.
 *
 *  A tag is charged when an item is taken, so an item that leaves costs its tenant nothing. Unlike a packet, an item may be one
 *  that cannot be placed now. It keeps its place, hides nobody behind it, and is owed nothing for the time, as if its tenant
 *  had been idle: items are grouped by who may take them, and a group none of whose candidates is free is not looked at. Each
 *  operation is O(groups + log items), `take` for each look. */
export class FairQueue<T extends Chargeable> {
	readonly #flows = new Map<string, Flow<T>>();
	readonly #groups = new Map<bigint, Group<T>>();
	readonly #arrivals = new LinkedList<Place<T>>();
	/** Tenants with nothing waiting whose last finish is still ahead of the virtual time. */
	#idle = new Heap<Flow<T>>(sooner);
	#virtualTime = 0;
	#weights = 0;
	#orders = 0;

	get size(): number {
		return this.#arrivals.size;
	}

	/** The item whose turn is next, placeable or not. */
	get first(): T | undefined {
		return this.#fairest(this.#groups.values(), true)?.first?.waiting.first?.item;
	}

	get newest(): T | undefined {
		return this.#arrivals.last?.item;
	}

	newestOf(tenant: string): T | undefined {
		return this.#flows.get(tenant)?.waiting.last?.item;
	}

	/** How many items wait that some of these candidates may take. */
	sizeFor(candidates: bigint): number {
		let size = 0;
		for (const group of this.#groups.values()) if ((group.candidates & candidates) !== 0n) size += group.size;
		return size;
	}

	/** Whether an item waits that has exactly these candidates. */
	waits(candidates: bigint): boolean {
		return this.#groups.has(candidates);
	}

	add(item: T): Place<T> {
		let flow = this.#flows.get(item.tenant);
		if (!flow) this.#flows.set(item.tenant, (flow = new Flow<T>(item.tenant)));
		const place = new Place(item, flow, this.#orders++);
		this.#arrivals.append(place.inQueue);
		flow.waiting.append(place.inFlow);
		if (flow.waiting.size === 1) {
			this.#idle.remove(flow.slot);
			flow.start = Math.max(flow.start, this.#virtualTime);
			flow.weight = weightOf(item);
			this.#weights += flow.weight;
		}
		this.#line(place);
		return place;
	}

	/** Takes an item out uncharged. The place must be one of this queue that was neither removed nor taken. */
	remove(place: Place<T>): void {
		this.#forget(place);
		if (place.flow.waiting.size === 0) this.#rest(place.flow);
	}

	/** Takes the fairest item that one of the `free` may take and that is `admissible`, and charges its tenant. An item that is
	 *  not, though a candidate is free, is not so for its own reasons; from then on it is looked at by itself and not more than
	 *  `lookMax` (at least 2) of such items in a call. Half of these looks go to the fairest; the other half go round, so that
	 *  each of n is looked at again within `2 * n / lookMax` calls. All other items are looked at until one is taken. */
	take(free: bigint, admissible: (item: T) => boolean, lookMax: number): T | undefined {
		const groups = [...this.#groups.values()].filter(({ candidates }) => (candidates & free) !== 0n);
		const looks = Math.max(2, lookMax);
		const looked: Line<T>[] = [];
		let left = looks;
		let taken: Place<T> | undefined;
		try {
			while (!taken) {
				const goRound = left > 0 && left <= looks - (looks >> 1);
				const heap = (goRound ? this.#soonest(groups) : undefined) ?? this.#fairest(groups, left > 0);
				const line = heap?.first;
				if (!line) break;
				const place = line.waiting.first!;
				const isSingle = line.flow.single.has(line);
				if (isSingle) {
					heap.pop();
					looked.push(line);
					left--;
				}
				if (admissible(place.item)) taken = place;
				else if (!isSingle) looked.push(this.#single(place));
			}
		} finally {
			// Always into the next round: a round that only shrinks comes to its end.
			for (const line of looked) if (line !== taken?.line) line.enter(line.group.later);
		}
		if (taken) this.#charge(taken);
		for (const group of groups) {
			if (group.round.size === 0) [group.round, group.later] = [group.later, group.round];
		}
		return taken?.item;
	}

	/** The candidates of the items have changed. Nobody loses his place, and nobody is looked at by himself any more. */
	regroup(): void {
		this.#groups.clear();
		for (const flow of this.#flows.values()) {
			flow.common.clear();
			flow.single.clear();
		}
		for (const place of this.#arrivals) {
			place.inLine = link(place);
			this.#line(place);
		}
	}

	/** The candidates for which items wait, each set once. */
	sets(): Iterable<bigint> {
		return this.#groups.keys();
	}

	/** How many turns until this item's, itself counted, where it competes for some candidates: an estimate as if all items cost
	 *  the same and nobody came or left. */
	position({ flow, turn }: Place<T>, candidates: bigint): number {
		const { waiting, weight } = flow;
		const mine = Math.min(waiting.size, turn - waiting.first!.turn + 1);
		return turnsUntil(mine, this.#weights / weight, this.sizeFor(candidates));
	}

	/** The same for an item that would be added now. */
	nextPosition(item: Chargeable): number {
		const flow = this.#flows.get(item.tenant);
		const mine = (flow?.waiting.size ?? 0) + 1;
		const weight = mine === 1 ? weightOf(item) : flow!.weight;
		const weights = this.#weights + (mine === 1 ? weight : 0);
		return turnsUntil(mine, weights / weight, this.sizeFor(item.candidates) + 1);
	}

	#fairest(groups: Iterable<Group<T>>, withSingle: boolean): Heap<Line<T>> | undefined {
		let best: Heap<Line<T>> | undefined;
		for (const { common, round, later } of groups) {
			best = better(best, common);
			if (withSingle) best = better(better(best, round), later);
		}
		return best;
	}

	/** The fairest of the single items that have not been looked at in this round. */
	#soonest(groups: Iterable<Group<T>>): Heap<Line<T>> | undefined {
		let best: Heap<Line<T>> | undefined;
		for (const { round } of groups) best = better(best, round);
		return best;
	}

	/** Puts an item at the end of its tenant's line for its candidates. */
	#line(place: Place<T>): void {
		const { flow, item } = place;
		const { candidates } = item;
		let group = this.#groups.get(candidates);
		if (!group) this.#groups.set(candidates, (group = new Group<T>(candidates)));
		group.size++;
		let line = flow.common.get(candidates);
		if (!line) flow.common.set(candidates, (line = new Line(flow, group, group.common)));
		this.#append(line, place);
		if (line.waiting.size === 1) line.enter(group.common);
	}

	/** Takes an item, the first of its line, into one of its own, which is in no heap yet. */
	#single(place: Place<T>): Line<T> {
		const { group } = place.line!;
		this.#leave(place);
		group.size++;
		this.#groups.set(group.candidates, group);
		const line = new Line(place.flow, group, group.later);
		place.flow.single.add(line);
		this.#append(line, place);
		return line;
	}

	#append(line: Line<T>, place: Place<T>): void {
		place.line = line;
		line.waiting.append(place.inLine);
	}

	#leave(place: Place<T>): void {
		const line = place.line!;
		const { flow, group, heap, slot } = line;
		line.waiting.remove(place.inLine);
		if (line.waiting.size > 0) heap.moved(slot);
		else {
			heap.remove(slot);
			if (!flow.single.delete(line)) flow.common.delete(group.candidates);
		}
		if (--group.size === 0) this.#groups.delete(group.candidates);
	}

	#charge(place: Place<T>): void {
		const { flow, item } = place;
		this.#virtualTime = Math.max(this.#virtualTime, flow.start);
		const start = this.#virtualTime + item.cost / weightOf(item);
		this.#forget(place);
		flow.restart(start);
		if (flow.waiting.size === 0) this.#rest(flow);
		while (this.#idle.first && this.#idle.first.start <= this.#virtualTime) {
			this.#flows.delete(this.#idle.pop()!.tenant);
		}
	}

	#forget(place: Place<T>): void {
		place.flow.waiting.remove(place.inFlow);
		this.#arrivals.remove(place.inQueue);
		this.#leave(place);
	}

	/** Nothing of this tenant waits any more. The end of a busy period is the end of all tags, as in the paper. */
	#rest(flow: Flow<T>): void {
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

function better<T>(a: Heap<Line<T>> | undefined, b: Heap<Line<T>>): Heap<Line<T>> | undefined {
	if (!b.first) return a;
	return a?.first && !fairer(b.first, a.first) ? a : b;
}
