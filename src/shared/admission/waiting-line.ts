import { Heap, heapSlot } from "./heap.ts";
import { link, LinkedList } from "./linked-list.ts";

/** What a queue needs to know of an item. `cost` is in any unit that is the same for all, such as tokens. */
export interface Chargeable {
	readonly tenant: string;
	readonly cost: number;
	/** Its tenant is charged `cost / weight`. What is no positive number counts as 1. */
	readonly weight: number;
	/** Who may take it, a bit each. */
	readonly candidates: bigint;
}

/** One tenant in one queue. */
export class Flow<T> {
	readonly tenant: string;
	/** Of the item with which it began to wait: for estimates of positions. */
	weight = 1;
	readonly waiting = new LinkedList<Place<T>>();
	/** Its lines: the common one for each set of candidates, and those of single items. */
	readonly common = new Map<bigint, Line<T>>();
	readonly single = new Set<Line<T>>();
	readonly slot = heapSlot<Flow<T>>(this);
	/** Virtual start of its first item; while none waits, the virtual finish of its last. */
	start = 0;
	turns = 0;

	constructor(tenant: string) {
		this.tenant = tenant;
	}

	/** Changes its start, and with it the order of all its lines; all of them must be in their heaps. */
	restart(start: number): void {
		const lines = [...this.common.values(), ...this.single];
		// All out before the key changes: a heap bears one value out of order, not several.
		for (const { heap, slot } of lines) heap.remove(slot);
		this.start = start;
		for (const { heap, slot } of lines) heap.push(slot);
	}
}

/** Items of one tenant of which only the first need be looked at: one that can be placed where it cannot, stands in a line of
 *  its own. */
export class Line<T> {
	readonly flow: Flow<T>;
	readonly group: Group<T>;
	readonly waiting = new LinkedList<Place<T>>();
	readonly slot = heapSlot<Line<T>>(this);
	/** The heap that it is in, except while it is looked at. */
	heap: Heap<Line<T>>;

	constructor(flow: Flow<T>, group: Group<T>, heap: Heap<Line<T>>) {
		this.flow = flow;
		this.group = group;
		this.heap = heap;
	}

	enter(heap: Heap<Line<T>>): void {
		this.heap = heap;
		heap.push(this.slot);
	}
}

/** All items that have the same candidates. */
export class Group<T> {
	readonly candidates: bigint;
	readonly common = new Heap<Line<T>>(fairer);
	/** Lines of single items: those still to be looked at in this round, and those for the next. */
	round = new Heap<Line<T>>(fairer);
	later = new Heap<Line<T>>(fairer);
	size = 0;

	constructor(candidates: bigint) {
		this.candidates = candidates;
	}
}

/** An item's place in a queue. */
export class Place<T> {
	readonly item: T;
	readonly flow: Flow<T>;
	/** Counts arrivals in the queue, and in the flow. */
	readonly order: number;
	readonly turn: number;
	readonly inQueue = link<Place<T>>(this);
	readonly inFlow = link<Place<T>>(this);
	inLine = link<Place<T>>(this);
	line: Line<T> | undefined;

	constructor(item: T, flow: Flow<T>, order: number) {
		this.item = item;
		this.flow = flow;
		this.order = order;
		this.turn = flow.turns++;
	}
}

/** The order among lines that wait: the least start, then who came first. */
export function fairer<T>(a: Line<T>, b: Line<T>): boolean {
	const [start, other] = [a.flow.start, b.flow.start];
	return start < other || (start === other && a.waiting.first!.order < b.waiting.first!.order);
}
