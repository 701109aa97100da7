import { Heap, heapSlot } from "../../../src/shared/admission/heap.ts";

interface Entry<T> {
	readonly value: T;
	readonly step: number;
	readonly order: number;
}

/** Sequences by the step in which their last token comes. */
export class DecodeQueue<T> {
	readonly #heap = new Heap<Entry<T>>((a, b) => a.step < b.step || (a.step === b.step && a.order < b.order));
	#order = 0;

	get size(): number {
		return this.#heap.size;
	}

	/** The next step in which one ends; infinite when there is none. */
	get first(): number {
		return this.#heap.first?.step ?? Infinity;
	}

	push(value: T, step: number): void {
		this.#heap.push(heapSlot({ value, step, order: this.#order++ }));
	}

	/** One that has ended by `step`. */
	pop(step: number): T | undefined {
		return this.first <= step ? this.#heap.pop()!.value : undefined;
	}
}
