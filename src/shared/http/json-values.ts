import { Buffer } from "node:buffer";

/** A JSON text two ways: its bytes, and a string of one character a byte, whose indexes are therefore byte offsets. Single
 *  characters are read faster from the bytes, and native search works on the string. */
export interface JsonText {
	readonly bytes: Uint8Array;
	readonly text: string;
}

/** Byte offsets; `end` is exclusive. */
export interface Span {
	readonly start: number;
	readonly end: number;
}

export type JsonValue =
	| null
	| boolean
	| number
	| string
	| readonly JsonValue[]
	| { readonly [name: string]: JsonValue };

const MINUS = 0x2d;
/** What most values are, and what needs no decoder. */
const PLAIN_STRING = /^"[ !#-[\]-~]*"$/;
const PLAIN_INTEGER = /^(?:0|[1-9]\d{0,14})$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function jsonText(bytes: Uint8Array): JsonText {
	return { bytes, text: latin1(bytes) };
}

/** The bytes as a string of one character a byte. Several times cheaper than decoding UTF-8. */
export function latin1(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The value at a span as `JSON.parse` reads it; undefined where that is no JSON or no UTF-8. */
export function jsonAt({ bytes }: JsonText, { start, end }: Span): unknown {
	try {
		return JSON.parse(utf8.decode(bytes.subarray(start, end)));
	} catch {
		return undefined;
	}
}

/** The string at a span, decoded; undefined where the value is none, or has a bad escape, control character or UTF-8. */
export function stringAt(json: JsonText, span: Span): string | undefined {
	if (json.text[span.start] !== '"') return undefined;
	const raw = json.text.slice(span.start, span.end);
	// Not a slice, which would keep the whole text in memory for as long as the value.
	if (PLAIN_STRING.test(raw)) return JSON.parse(raw) as string;
	const value = jsonAt(json, span);
	return typeof value === "string" ? value : undefined;
}

/** The number at a span; undefined where the value is none. One too large for a double is Infinity, as in `JSON.parse`. */
export function numberAt(json: JsonText, span: Span): number | undefined {
	const first = json.bytes[span.start];
	if (first !== MINUS && !isDigit(first)) return undefined;
	const raw = json.text.slice(span.start, span.end);
	if (PLAIN_INTEGER.test(raw)) return Number(raw);
	const value = jsonAt(json, span);
	return typeof value === "number" ? value : undefined;
}

export function booleanAt({ text }: JsonText, { start, end }: Span): boolean | undefined {
	if (end - start === 4 && text.startsWith("true", start)) return true;
	if (end - start === 5 && text.startsWith("false", start)) return false;
	return undefined;
}

export function isNullAt({ text }: JsonText, { start, end }: Span): boolean {
	return end - start === 4 && text.startsWith("null", start);
}

export function isDigit(byte: number | undefined): boolean {
	return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
