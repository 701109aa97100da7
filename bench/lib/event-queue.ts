interface Event {
	readonly at: number;
	readonly order: number;
	readonly run: () => void;
}

/** The clock of a discrete-event simulation. What is due at the same time runs in the order in which it was scheduled. */
export class EventQueue {
	readonly #heap: Event[] = [];
	#order = 0;
	#now = 0;

	/** Seconds. */
	get now(): number {
		return this.#now;
	}

	/** Not before now. */
	schedule(at: number, run: () => void): void {
		const event = { at: Math.max(at, this.#now), order: this.#order++, run };
		const heap = this.#heap;
		let hole = heap.length;
		heap.push(event);
		while (hole > 0) {
			const parent = (hole - 1) >> 1;
			if (!isBefore(event, heap[parent]!)) break;
			heap[hole] = heap[parent]!;
			hole = parent;
		}
		heap[hole] = event;
	}

	/** Runs events until none is left or `until` says so. */
	run(until: () => boolean = () => false): void {
		while (this.#heap.length > 0 && !until()) {
			const event = this.#pop();
			this.#now = event.at;
			event.run();
		}
	}

	#pop(): Event {
		const heap = this.#heap;
		const first = heap[0]!;
		const last = heap.pop()!;
		if (heap.length === 0) return first;
		let hole = 0;
		for (;;) {
			let child = 2 * hole + 1;
			if (child >= heap.length) break;
			if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
			if (!isBefore(heap[child]!, last)) break;
			heap[hole] = heap[child]!;
			hole = child;
		}
		heap[hole] = last;
		return first;
	}
}

function isBefore(a: Event, b: Event): boolean {
	return a.at < b.at || (a.at === b.at && a.order < b.order);
}
