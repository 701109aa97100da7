import { DENSE_COUNT, readDense } from "./dense.ts";
import { FEATURE_CHARS_MAX, FoldedText } from "./folded-text.ts";
import { gramsMax, readGrams, type Grams } from "./grams.ts";
import { Vocabulary } from "./vocabulary.ts";

/** Floor of a dense feature's standard deviation, in its own units: one that never varied in training must not blow up on
 *  the first prompt that has another value. */
export const SIGMA_MIN = 0.05;
/** Standardised values are clipped to plus and minus this. */
export const Z_MAX = 4;

export interface FeatureTable {
	/** Of the grams that have a row. */
	readonly hashes: Uint32Array;
	/** By row: log of the inverse share of training prompts. */
	readonly idf: Float32Array;
	readonly denseMean: Float32Array;
	readonly denseSigma: Float32Array;
}

/** The features of one prompt; a view that the next call overwrites. */
export interface Features {
	/** Rows of the vocabulary, in the order in which the prompt has them; the first `count` are its own. */
	readonly rows: Int32Array;
	/** tf-idf of each, sqrt of the count; unit length. */
	readonly values: Float32Array;
	count: number;
	/** Standardised. */
	readonly dense: Float64Array;
	/** Share of the words that have no row; 1 for a prompt without words. */
	unknown: number;
}

/** Shared by all readers: one prompt is read at a time. */
const text = new FoldedText();
const grams: Grams = { hashes: new Uint32Array(gramsMax(FEATURE_CHARS_MAX)), words: 0, count: 0 };

export function gramsOf(prompt: string): Grams {
	text.read(prompt);
	readGrams(text, grams);
	return grams;
}

/** Not standardised. */
export function denseOf(prompt: string, out: Float64Array): void {
	readDense(text, gramsOf(prompt).words, out);
}

const ROOTS = Float64Array.from({ length: 64 }, (_, n) => Math.sqrt(n));

export class FeatureReader {
	readonly #table: FeatureTable;
	readonly #vocabulary: Vocabulary;
	readonly #counts: Uint16Array;
	readonly #features: Features;

	constructor(table: FeatureTable) {
		this.#table = table;
		this.#vocabulary = new Vocabulary(table.hashes);
		const size = table.hashes.length;
		this.#counts = new Uint16Array(size);
		this.#features = {
			rows: new Int32Array(size),
			values: new Float32Array(size),
			count: 0,
			dense: new Float64Array(DENSE_COUNT),
			unknown: 1,
		};
	}

	read(prompt: string): Features {
		const { words } = gramsOf(prompt);
		const known = this.#count();
		this.#weigh();
		this.#features.unknown = words === 0 ? 1 : 1 - known / words;
		this.#readDense(words);
		return this.#features;
	}

	/** Counts the grams by row. The number of words that have one. */
	#count(): number {
		const { rows } = this.#features;
		const { hashes, words, count: end } = grams;
		const counts = this.#counts;
		const vocabulary = this.#vocabulary;
		let count = 0;
		let known = 0;
		for (let i = 0; i < end; i++) {
			const row = vocabulary.rowOf(hashes[i]!);
			if (row < 0) continue;
			if (i < words) known++;
			if (counts[row]!++ === 0) rows[count++] = row;
		}
		this.#features.count = count;
		return known;
	}

	#weigh(): void {
		const { rows, values, count } = this.#features;
		const { idf } = this.#table;
		const counts = this.#counts;
		let square = 0;
		for (let i = 0; i < count; i++) {
			const row = rows[i]!;
			const times = counts[row]!;
			const value = (times < ROOTS.length ? ROOTS[times]! : Math.sqrt(times)) * idf[row]!;
			counts[row] = 0;
			values[i] = value;
			square += value * value;
		}
		const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
		for (let i = 0; i < count; i++) values[i]! *= scale;
	}

	#readDense(words: number): void {
		const { dense } = this.#features;
		const { denseMean, denseSigma } = this.#table;
		readDense(text, words, dense);
		for (let i = 0; i < DENSE_COUNT; i++) {
			const z = (dense[i]! - denseMean[i]!) / Math.max(SIGMA_MIN, denseSigma[i]!);
			dense[i] = Math.min(Z_MAX, Math.max(-Z_MAX, z));
		}
	}
}
