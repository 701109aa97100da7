import { JSON_DEPTH_MAX } from "../limits.ts";
import { isPlainName, isPlainString } from "./json-plain.ts";
import { isDigit, type JsonText } from "./json-values.ts";

/** Why a text is no JSON, and the byte offset where that shows. */
export interface JsonFault {
	readonly at: number;
	readonly message: string;
}

/** Called for every item of the outermost object or array. In an array `key` and `keyEnd` are -1. `plain`: see json-plain.ts.
 *  What it returns ends the scan. */
export type VisitItem = (
	key: number,
	keyEnd: number,
	value: number,
	valueEnd: number,
	plain: boolean,
) => JsonFault | null;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** How many bytes of a string are looked at one by one before the native search, which costs about as much to call. */
const NEAR = 8;

/** Checks that `json` from `start` to `end` is one JSON value (RFC 8259), and shows `visit` the items of the outermost
 *  container. The inside of strings is skipped and not checked: a bad escape, a control character or bad UTF-8 in one is
 *  accepted. Nesting over JSON_DEPTH_MAX is refused. Time is linear and the stack flat, whatever the input. Returns the
 *  first fault, or null. */
export function scanJson(json: JsonText, start: number, end: number, visit: VisitItem): JsonFault | null {
	const { bytes } = json;
	// What closes each open container, outermost first. `{` and `[` are both two below what closes them.
	const closers: number[] = [];
	let closer = 0;
	let key = -1;
	let keyEnd = -1;
	let value = -1;
	let plain = true;
	let at = start;
	/** Space within an item. */
	const skip = (from: number): number => {
		const after = skipSpace(bytes, from, end);
		if (after !== from && closers.length > 1) plain = false;
		return after;
	};
	for (;;) {
		at = skip(at);
		if (closer === CLOSE_BRACE) {
			if (byteAt(bytes, at, end) !== QUOTE) return expected(json, at, end, "a member name in quotes");
			const nameEnd = stringEnd(json, at, end);
			if (nameEnd < 0) return unclosed(at);
			if (closers.length === 1) {
				key = at;
				keyEnd = nameEnd;
			} else if (plain) plain = isPlainName(json.text, at, nameEnd);
			at = skip(nameEnd);
			if (byteAt(bytes, at, end) !== COLON) return expected(json, at, end, "':'");
			at = skip(at + 1);
		}
		if (closers.length === 1) {
			value = at;
			plain = true;
		}

		const first = byteAt(bytes, at, end);
		if (first === QUOTE) {
			const close = stringEnd(json, at, end);
			if (close < 0) return unclosed(at);
			if (plain) plain = isPlainString(json.text, at, close);
			at = close;
		} else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
			if (closers.length === JSON_DEPTH_MAX) return { at, message: `nests deeper than ${JSON_DEPTH_MAX} levels` };
			closer = first + 2;
			closers.push(closer);
			at = skip(at + 1);
			if (byteAt(bytes, at, end) !== closer) continue;
		} else {
			const close = first === MINUS || isDigit(first) ? numberEnd(bytes, at, end) : literalEnd(json.text, at, end);
			if (close < 0) return expected(json, at, end, "a JSON value");
			at = close;
		}

		// A value has ended, or an empty container stands before its closer: close containers until another item follows.
		for (;;) {
			const valueEnd = at;
			at = skip(at);
			if (closers.length === 0) return at === end ? null : expected(json, at, end, "nothing more");
			const next = byteAt(bytes, at, end);
			if (next !== COMMA && next !== closer) {
				return expected(json, at, end, `',' or '${String.fromCharCode(closer)}'`);
			}
			if (closers.length === 1 && value >= 0) {
				const stop = visit(key, keyEnd, value, valueEnd, plain);
				if (stop) return stop;
				value = -1;
			}
			at++;
			if (next === COMMA) break;
			closers.pop();
			closer = closers.at(-1) ?? 0;
		}
	}
}

export function skipSpace(bytes: Uint8Array, from: number, end: number): number {
	let at = from;
	while (at < end && isSpace(bytes[at])) at++;
	return at;
}

export function isSpace(byte: number | undefined): boolean {
	return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The offset after the string that opens at `open`, or -1. Where nothing ends the string soon the native search makes the
 *  rest of it nearly free; bytes are looked at one by one again only where escaped quotes stand close. The backslashes before a quote are counted once, for that quote alone, so that runs of them
 *  cost no more than their length. */
export function stringEnd({ bytes, text }: JsonText, open: number, end: number): number {
	let at = open + 1;
	for (let isClose = true; ;) {
		for (const near = isClose ? Math.min(at + NEAR, end) : at; at < near; at++) {
			const byte = bytes[at];
			if (byte === QUOTE) return at + 1;
			if (byte === BACKSLASH) at++;
		}
		const quote = text.indexOf('"', at);
		if (quote < 0 || quote >= end) return -1;
		let before = quote - 1;
		while (before >= at && bytes[before] === BACKSLASH) before--;
		if ((quote - before) % 2 === 1) return quote + 1;
		isClose = quote - at < NEAR;
		at = quote + 1;
	}
}

function numberEnd(bytes: Uint8Array, from: number, end: number): number {
	const integer = bytes[from] === MINUS ? from + 1 : from;
	let at = skipDigits(bytes, integer, end);
	// A number has a digit here, and only zero itself begins with one.
	if (at === integer || (at > integer + 1 && bytes[integer] === 0x30)) return -1;
	if (byteAt(bytes, at, end) === DOT) {
		const fraction = at + 1;
		at = skipDigits(bytes, fraction, end);
		if (at === fraction) return -1;
	}
	if ((byteAt(bytes, at, end) | 0x20) === 0x65) {
		const sign = byteAt(bytes, at + 1, end);
		const exponent = sign === MINUS || sign === 0x2b ? at + 2 : at + 1;
		at = skipDigits(bytes, exponent, end);
		if (at === exponent) return -1;
	}
	return at;
}

function literalEnd(text: string, at: number, end: number): number {
	for (const word of ["null", "true", "false"]) {
		if (text.startsWith(word, at) && at + word.length <= end) return at + word.length;
	}
	return -1;
}

function skipDigits(bytes: Uint8Array, from: number, end: number): number {
	let at = from;
	while (at < end && isDigit(bytes[at])) at++;
	return at;
}

/** Zero, which begins no JSON token, past the end. */
function byteAt(bytes: Uint8Array, at: number, end: number): number {
	return at < end ? (bytes[at] ?? 0) : 0;
}

function expected({ text }: JsonText, at: number, end: number, what: string): JsonFault {
	return { at, message: `expected ${what}, found ${at < end ? JSON.stringify(text.charAt(at)) : "the end"}` };
}

function unclosed(at: number): JsonFault {
	return { at, message: "a string begins here that does not end" };
}
