import { isWordCode, type FoldedText } from "./folded-text.ts";

/** FNV-1a, 32 bits, over code units (Fowler, Noll, Vo), mixed at the end by Murmur 3's finaliser: the low bits of FNV alone
 *  are poor for short keys. */
const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** Kinds have hashes of their own: the word "the" is not the gram "the". */
const SEEDS = { word: OFFSET, bigram: OFFSET ^ 0x5bd1e995, gram: OFFSET ^ 0x27d4eb2f } as const;

/** What the hashes of one prompt are written to; reused. Words come first, then bigrams and character grams. */
export interface Grams {
	readonly hashes: Uint32Array;
	words: number;
	count: number;
}

/** Character grams are read off the last so many code units: they bound the time that a long prompt takes, and most prompts
 *  are shorter. */
const GRAM_CHARS_MAX = 1_024;

/** At most this many of a prompt of `chars` code units: a word and a bigram for every second one, two grams for each of the
 *  last. */
export function gramsMax(chars: number): number {
	return chars + 2 * GRAM_CHARS_MAX + 2;
}

/** Hashes of the words, word bigrams and character 3- and 4-grams of `text`, with repetitions. */
export function readGrams({ codes, length }: FoldedText, grams: Grams): void {
	const { hashes } = grams;
	let count = 0;
	let word: number = SEEDS.word;
	let inside = false;
	for (let i = 1; i <= length + 1; i++) {
		const code = codes[i]!;
		if (isWordCode(code)) {
			word = Math.imul(word ^ code, PRIME);
			inside = true;
		} else if (inside) {
			hashes[count++] = mixed(word);
			word = SEEDS.word;
			inside = false;
		}
	}
	grams.words = count;
	const words = count;
	for (let i = 1; i < words; i++) {
		hashes[count++] = mixed(Math.imul(hashes[i - 1]! ^ SEEDS.bigram, PRIME) ^ hashes[i]!);
	}
	for (let i = Math.max(3, length - GRAM_CHARS_MAX + 1); i <= length; i++) {
		const three = step(step(step(SEEDS.gram, codes[i - 2]!), codes[i - 1]!), codes[i]!);
		hashes[count++] = mixed(three);
		if (i < length) hashes[count++] = mixed(step(three, codes[i + 1]!));
	}
	grams.count = count;
}

function step(hash: number, code: number): number {
	return Math.imul(hash ^ code, PRIME);
}

function mixed(hash: number): number {
	let h = hash ^ (hash >>> 16);
	h = Math.imul(h, 0x85ebca6b);
	h ^= h >>> 13;
	return (h ^ (h >>> 16)) >>> 0;
}
