import { isNumbers } from "./stored.ts";

export type Rows = readonly (readonly [name: string, row: readonly number[]])[];

/** Rows of `width` numbers by name, of which the least recently written is dropped when there are too many. Reading
 *  does not count as use: it is on the hot path, and what is no longer observed may go. */
export class Lru {
	readonly #rows = new Map<string, readonly number[]>();
	readonly #max: number;

	/** `entries` are those of another; what in them is not a row of `width` finite numbers is left out. */
	constructor(max: number, width: number, entries: Rows = []) {
		this.#max = Math.max(1, max);
		for (const [name, row] of entries) {
			if (isNumbers(row, width)) this.set(name, row);
		}
	}

	get size(): number {
		return this.#rows.size;
	}

	get(name: string): readonly number[] | undefined {
		return this.#rows.get(name);
	}

	set(name: string, row: readonly number[]): void {
		this.#rows.delete(name);
		this.#rows.set(name, row);
		if (this.#rows.size <= this.#max) return;
		for (const oldest of this.#rows.keys()) {
			this.#rows.delete(oldest);
			return;
		}
	}

	/** All rows, least recently written first; plain JSON for the constructor. */
	entries(): Rows {
		return [...this.#rows];
	}
}

/** One name from several, whatever they hold. */
export function joined(...names: readonly string[]): string {
	return JSON.stringify(names);
}
