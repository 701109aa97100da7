/** A value's place in a linked list. */
export interface Link<T> {
	readonly value: T;
	/** Written by the list alone. */
	previous: Link<T> | undefined;
	next: Link<T> | undefined;
}

export function link<T>(value: T): Link<T> {
	return { value, previous: undefined, next: undefined };
}

/** A queue that gives up any of its members in O(1). A link is in one list, and is removed once. */
export class LinkedList<T> {
	#first: Link<T> | undefined;
	#last: Link<T> | undefined;
	#size = 0;

	get first(): T | undefined {
		return this.#first?.value;
	}

	get last(): T | undefined {
		return this.#last?.value;
	}

	get size(): number {
		return this.#size;
	}

	*[Symbol.iterator](): Iterator<T> {
		for (let member = this.#first; member; member = member.next) yield member.value;
	}

	append(member: Link<T>): void {
		member.previous = this.#last;
		if (this.#last) this.#last.next = member;
		else this.#first = member;
		this.#last = member;
		this.#size += 1;
	}

	remove(member: Link<T>): void {
		if (member.previous) member.previous.next = member.next;
		else this.#first = member.next;
		if (member.next) member.next.previous = member.previous;
		else this.#last = member.previous;
		member.previous = undefined;
		member.next = undefined;
		this.#size -= 1;
	}
}
