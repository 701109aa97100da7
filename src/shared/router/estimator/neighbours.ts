import type { Features } from "../features/features.ts";
import type { Anchors } from "../weights/weights.ts";

/** Anchors that count for a prompt. */
export const NEIGHBOURS = 50;
/** Those less similar than this say nothing. */
const SIMILARITY_MIN = 0.04;
/** A prompt with more grams than this leaves out those lighter than `LIGHT` times the root mean square. */
const GRAMS_ALL = 600;
const LIGHT = 1;
const STEP = 1 / 255;

/** The anchors by what is in them: an inverted index over the terms of each, cosines by adding up postings. */
export class Neighbours {
	/** Of the last prompt, the nearest first. The first `count` of each. */
	readonly nearest = new Int32Array(NEIGHBOURS);
	readonly similarities = new Float64Array(NEIGHBOURS);
	count = 0;
	/** [V + 1]: where the postings of a row begin. */
	readonly #starts: Uint32Array;
	readonly #anchors: Uint16Array;
	readonly #values: Float32Array;
	readonly #sums: Float32Array;
	readonly #touched: Int32Array;

	constructor({ terms, rows, values, pool }: Anchors, grams: number) {
		this.#starts = new Uint32Array(grams + 1);
		for (let i = 0; i < rows.length; i++) if (values[i]! > 0) this.#starts[rows[i]! + 1]!++;
		for (let row = 0; row < grams; row++) this.#starts[row + 1]! += this.#starts[row]!;
		const next = this.#starts.slice();
		const postings = this.#starts[grams]!;
		this.#anchors = new Uint16Array(postings);
		this.#values = new Float32Array(postings);
		for (let i = 0; i < rows.length; i++) {
			if (values[i] === 0) continue;
			const at = next[rows[i]!]!++;
			this.#anchors[at] = Math.floor(i / terms);
			this.#values[at] = values[i]! * STEP;
		}
		this.#sums = new Float32Array(pool.length);
		this.#touched = new Int32Array(pool.length);
	}

	/** Finds the nearest anchors. The greatest cosine; 0 without any. */
	find({ rows, values, count }: Features): number {
		const sums = this.#sums;
		let touched = 0;
		// Of a long prompt the many light grams cost much and change little.
		const least = count > GRAMS_ALL ? LIGHT / Math.sqrt(count) : 0;
		for (let i = 0; i < count; i++) {
			const row = rows[i]!;
			const value = values[i]!;
			if (value < least) continue;
			const end = this.#starts[row + 1]!;
			for (let at = this.#starts[row]!; at < end; at++) {
				const anchor = this.#anchors[at]!;
				if (sums[anchor] === 0) this.#touched[touched++] = anchor;
				sums[anchor]! += value * this.#values[at]!;
			}
		}
		this.count = 0;
		for (let i = 0; i < touched; i++) {
			const anchor = this.#touched[i]!;
			this.#offer(anchor, Math.min(1, sums[anchor]!));
			sums[anchor] = 0;
		}
		return this.count > 0 ? this.similarities[0]! : 0;
	}

	/** Insertion into the sorted list: most anchors are less similar than its last. */
	#offer(anchor: number, similarity: number): void {
		const { nearest, similarities } = this;
		if (similarity < SIMILARITY_MIN) return;
		let hole = this.count;
		if (hole === NEIGHBOURS) {
			if (similarity <= similarities[NEIGHBOURS - 1]!) return;
			hole--;
		} else this.count++;
		for (; hole > 0 && similarities[hole - 1]! < similarity; hole--) {
			nearest[hole] = nearest[hole - 1]!;
			similarities[hole] = similarities[hole - 1]!;
		}
		nearest[hole] = anchor;
		similarities[hole] = similarity;
	}
}
