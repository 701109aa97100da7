/** A value's place in a heap. Keep it to take the value out, or to say that its key changed. */
export interface HeapSlot<T> {
	readonly value: T;
	/** Written by the heap alone; -1 while in none. */
	index: number;
}

export function heapSlot<T>(value: T): HeapSlot<T> {
	return { value, index: -1 };
}

/** Binary heap whose first value is one that no other comes `before`. A slot is in one heap at a time. O(log n) each. */
export class Heap<T> {
	readonly #before: (a: T, b: T) => boolean;
	readonly #slots: HeapSlot<T>[] = [];

	constructor(before: (a: T, b: T) => boolean) {
		this.#before = before;
	}

	get size(): number {
		return this.#slots.length;
	}

	get first(): T | undefined {
		return this.#slots[0]?.value;
	}

	push(slot: HeapSlot<T>): void {
		this.#slots.push(slot);
		this.#up(slot, this.#slots.length - 1);
	}

	pop(): T | undefined {
		const slot = this.#slots[0];
		if (!slot) return undefined;
		this.remove(slot);
		return slot.value;
	}

	/** Does nothing for a slot that is not in this heap. */
	remove(slot: HeapSlot<T>): void {
		const at = slot.index;
		if (this.#slots[at] !== slot) return;
		slot.index = -1;
		const last = this.#slots.pop()!;
		if (last !== slot) this.#place(last, at);
	}

	/** The key of a value in this heap changed. */
	moved(slot: HeapSlot<T>): void {
		if (this.#slots[slot.index] === slot) this.#place(slot, slot.index);
	}

	#place(slot: HeapSlot<T>, at: number): void {
		this.#down(slot, this.#up(slot, at));
	}

	#up(slot: HeapSlot<T>, from: number): number {
		let at = from;
		while (at > 0) {
			const parent = this.#slots[(at - 1) >> 1]!;
			if (!this.#before(slot.value, parent.value)) break;
			this.#set(parent, at);
			at = (at - 1) >> 1;
		}
		this.#set(slot, at);
		return at;
	}

	#down(slot: HeapSlot<T>, from: number): void {
		let at = from;
		for (;;) {
			let below = 2 * at + 1;
			const right = this.#slots[below + 1];
			let child = this.#slots[below];
			if (!child) break;
			if (right && this.#before(right.value, child.value)) {
				child = right;
				below += 1;
			}
			if (!this.#before(child.value, slot.value)) break;
			this.#set(child, at);
			at = below;
		}
		this.#set(slot, at);
	}

	#set(slot: HeapSlot<T>, at: number): void {
		this.#slots[at] = slot;
		slot.index = at;
	}
}
