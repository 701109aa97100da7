import { Buffer } from "node:buffer";
import { isSpace, skipSpace } from "./json-grammar.ts";
import { elementCount, member, topLevelMembers } from "./json-members.ts";
import { isNullAt, jsonAt, jsonText, latin1 } from "./json-values.ts";

export const LF = 0x0a;
export const CR = 0x0d;
export const COLON = 0x3a;
const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
/** Of null and false. */
const LETTER_N = 0x6e;
const LETTER_F = 0x66;

/** The traits of an event's data; a set of bits. */
export const TOKEN = 1;
export const FINISH = 2;
/** The data has a member `usage` or `error` that is not null at some depth: worth parsing. */
export const USAGE = 4;
export const ERROR = 8;

/** Members of a choice or its delta that hold generated output. */
const OUTPUT = ["content", "reasoning_content", "reasoning", "text", "refusal", "tool_calls", "function_call", "audio"];

interface Wanted {
	readonly name: readonly number[];
	readonly trait: number;
}

/** The names that are looked for, by the `slot` of their last two letters: few other names share one. */
const WANTED: readonly (readonly Wanted[] | null)[] = wantedBySlot([
	...OUTPUT.map((name) => ({ name, trait: TOKEN })),
	{ name: "finish_reason", trait: FINISH },
	{ name: "usage", trait: USAGE },
	{ name: "error", trait: ERROR },
]);

export interface DataLine {
	/** Where the line ends: the offset of its CR or LF, or of the end of the bytes. */
	readonly end: number;
	readonly traits: number;
}

/** Reads a line of JSON data from `start` on, in one pass: it stops at each colon that follows a quote, looks whether one of the
 *  wanted names stands before it, and whether a value that is not empty comes after. A name inside a string value is
 *  not mistaken for one, since its quotes are escaped there. */
export function readDataLine(bytes: Uint8Array, start: number): DataLine {
	let traits = 0;
	let at = start;
	for (; at < bytes.length; at++) {
		const byte = bytes[at];
		if (byte === LF || byte === CR) break;
		if (byte !== COLON) continue;
		let quote = at - 1;
		while (quote > start && isSpace(bytes[quote])) quote--;
		if (quote <= start || bytes[quote] !== QUOTE) continue;
		const candidates = WANTED[slot(bytes[quote - 2], bytes[quote - 1])];
		if (!candidates) continue;
		for (let index = 0; index < candidates.length; index++) {
			const wanted = candidates[index];
			if (!wanted || (traits & wanted.trait) !== 0 || !endsWithKey(bytes, start, quote, wanted.name)) continue;
			const value = skipBlanks(bytes, at + 1);
			if (wanted.trait >= USAGE ? bytes[value] !== LETTER_N : isFilled(bytes, value)) traits |= wanted.trait;
		}
	}
	return { end: at, traits };
}

export interface ParsedEvent {
	readonly isObject: boolean;
	/** The value of the top-level `usage`, if it is an object. */
	readonly usage: object | null;
	/** There is a top-level `error` that is not null. */
	readonly error: boolean;
	/** `choices` is the empty array. */
	readonly noChoices: boolean;
}

/** Checks the JSON of an event's data and reads its usage and error, where they are top-level members. */
export function parseEvent(data: Uint8Array): ParsedEvent {
	const json = jsonText(data);
	const members = topLevelMembers(json);
	if (!members.ok) return { isObject: false, usage: null, error: false, noChoices: false };
	const usageMember = member(members.value, "usage");
	const usage = usageMember && jsonAt(json, usageMember.value);
	const choices = member(members.value, "choices");
	const error = member(members.value, "error");
	return {
		isObject: true,
		usage: typeof usage === "object" && !Array.isArray(usage) ? usage : null,
		error: error !== undefined && !isNullAt(json, error.value),
		noChoices: choices !== undefined && elementCount(json, choices.value) === 0,
	};
}

/** The data of an event of any shape: the values of its `data` lines (HTML standard, section 9.2.6), joined by spaces
 *  where the standard has line feeds, which is the same to JSON. Null where it has no such line. `named` is the value of its
 *  last `event` line. */
export function eventData(event: Uint8Array): { readonly data: Uint8Array | null; readonly named: string } {
	const lines: string[] = [];
	let named = "";
	for (const line of latin1(event).split(/\r\n|\r|\n/)) {
		const colon = line.indexOf(":");
		const name = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
		if (name === "data") lines.push(value);
		else if (name === "event") named = value;
	}
	return { data: lines.length > 0 ? Buffer.from(lines.join(" "), "latin1") : null, named };
}

/** Whether the data is `[DONE]`, spaces around it aside. */
export function isDone(bytes: Uint8Array, start: number, end: number): boolean {
	const from = skipSpace(bytes, start, end);
	// Cheap for all other data, which begins with a brace.
	if (bytes[from] !== OPEN_BRACKET || end - from > 64) return false;
	return latin1(bytes.subarray(from, end)).trimEnd() === "[DONE]";
}

function wantedBySlot(names: readonly { readonly name: string; readonly trait: number }[]): (Wanted[] | null)[] {
	const table = Array.from<Wanted[] | null>({ length: 1024 }).fill(null);
	for (const { name, trait } of names) {
		const bytes = Array.from(new TextEncoder().encode(name));
		const index = slot(bytes.at(-2), bytes.at(-1));
		table[index] = [...(table[index] ?? []), { name: bytes, trait }];
	}
	return table;
}

function slot(last2: number | undefined, last: number | undefined): number {
	return (((last2 ?? 0) & 31) << 5) | ((last ?? 0) & 31);
}

/** Whether `name`, with a quote that is not escaped before it, ends where `quote` stands. */
function endsWithKey(bytes: Uint8Array, start: number, quote: number, name: readonly number[]): boolean {
	const first = quote - name.length;
	if (first <= start || bytes[first - 1] !== QUOTE || bytes[first - 2] === BACKSLASH) return false;
	for (let index = 0; index < name.length; index++) if (bytes[first + index] !== name[index]) return false;
	return true;
}

/** Whether the value that begins at `at` is neither null nor false nor an empty string, array or object. */
function isFilled(bytes: Uint8Array, at: number): boolean {
	const first = bytes[at];
	if (first === QUOTE) return bytes[at + 1] !== QUOTE;
	if (first === OPEN_BRACKET || first === OPEN_BRACE) return bytes[skipBlanks(bytes, at + 1)] !== first + 2;
	return first !== LETTER_N && first !== LETTER_F && first !== LF && first !== CR && first !== undefined;
}

/** Stays on the line, which is where broken data ends. */
function skipBlanks(bytes: Uint8Array, from: number): number {
	let at = from;
	while (bytes[at] === 0x20 || bytes[at] === 0x09) at++;
	return at;
}
