import { isWordCode, type FoldedText } from "./folded-text.ts";

/** What a prompt looks like, whatever its words are. Read off the folded text, so that neither case nor white space changes
 *  any. Shares are of code units and under a square root, which spreads the small ones. */
export const DENSE_NAMES = [
	"log_chars",
	"log_words",
	"word_chars",
	"digits",
	"not_ascii",
	"stops",
	"commas",
	"question_marks",
	"operators",
	"parentheses",
	"brackets",
	"backslashes",
	"dollars",
	"quotes",
	"underscores",
	"log_numbers",
	"long_words",
	"options",
	"ends_with_question",
	"starts_with_question_word",
	"log_questions",
] as const;

export const DENSE_COUNT = DENSE_NAMES.length;
/** Of `DENSE_NAMES`: what the estimate out of domain rests on. */
export const LOG_CHARS = 0;

const OTHER = 0;
const CLASSES = ["", "0123456789", "", ".;:!", ",", "?", "+-*/=<>^%|&", "()", "[]{}", "\\", "$", "\"'`", "_"] as const;
const DIGIT = 1;
const NOT_ASCII = 2;
const QUESTION = 5;
const CLASS_OF = classTable();

const QUESTION_WORDS = new Set([
	"what",
	"which",
	"who",
	"whom",
	"whose",
	"when",
	"where",
	"why",
	"how",
	"is",
	"are",
	"does",
]);
const LONG_WORD = 9;
/** Choices A to J. */
const OPTIONS_MAX = 10;

const counts = new Float64Array(CLASSES.length);

/** Writes `DENSE_COUNT` values to `out`. */
export function readDense(text: FoldedText, words: number, out: Float64Array): void {
	const { codes, length } = text;
	counts.fill(0);
	let numbers = 0;
	let longWords = 0;
	let run = 0;
	for (let i = 1; i <= length + 1; i++) {
		const code = codes[i]!;
		const kind = code < 128 ? CLASS_OF[code]! : NOT_ASCII;
		counts[kind]!++;
		if (kind === DIGIT && (codes[i - 1]! < 48 || codes[i - 1]! > 57)) numbers++;
		if (isWordCode(code)) {
			if (++run === LONG_WORD) longWords++;
		} else run = 0;
	}
	const chars = Math.max(1, length);
	const each = Math.max(1, words);
	out[0] = Math.log1p(length);
	out[1] = Math.log1p(words);
	out[2] = length / each;
	for (let kind = 1; kind < CLASSES.length; kind++) out[2 + kind] = Math.sqrt(counts[kind]! / chars);
	out[15] = Math.log1p(numbers);
	out[16] = longWords / each;
	out[17] = optionsOf(text);
	out[18] = endsWithQuestion(text) ? 1 : 0;
	out[19] = QUESTION_WORDS.has(firstWord(text)) ? 1 : 0;
	out[20] = Math.log1p(counts[QUESTION]!);
}

/** How many choices are listed: " a. ", " b) " and so on, in this order. */
function optionsOf({ codes, length }: FoldedText): number {
	let found = 0;
	for (let i = 1; i < length && found < OPTIONS_MAX; i++) {
		const next = codes[i + 1]!;
		if (codes[i] !== 97 + found || (next !== 46 && next !== 41)) continue;
		const before = codes[i - 1]!;
		if (before === 0 || before === 32 || before === 40) found++;
	}
	return found;
}

function endsWithQuestion({ codes, length }: FoldedText): boolean {
	return codes[length] === 63;
}

function firstWord({ codes, length }: FoldedText): string {
	let word = "";
	for (let i = 1; i <= length && word.length < 8; i++) {
		if (!isWordCode(codes[i]!)) break;
		word += String.fromCharCode(codes[i]!);
	}
	return word;
}

function classTable(): Uint8Array {
	const table = new Uint8Array(128).fill(OTHER);
	CLASSES.forEach((characters, kind) => {
		for (const character of characters) table[character.charCodeAt(0)] = kind;
	});
	return table;
}
