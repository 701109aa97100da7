import { isObject, type JsonObject } from "./fields.ts";
import type { Media } from "./prompt.ts";
import { hashText } from "./random.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const SKIMMED = new Set(["messages", "prompt"]);
const BYTES_PER_TOKEN = 4;
const TAIL_BYTES = 64;

/** A prompt that was not read, only measured. */
export class Unread {
	readonly media: Media;

	constructor(bytes: Buffer) {
		const tail = bytes.toString("latin1", Math.max(0, bytes.length - TAIL_BYTES));
		this.media = { key: hashText(tail, bytes.length), tokens: Math.ceil(bytes.length / BYTES_PER_TOKEN) };
	}
}

/** Reads a large JSON body without its prompt, which becomes `Unread`: a replica without delays need only know its length,
 *  and as the upstream of a benchmark it must not be what is measured. What is wrong inside the prompt goes unseen. */
export function skim(bytes: Buffer): Result<JsonObject, string> {
	const members: Record<string, unknown> = {};
	let at = skipSpace(bytes, 0);
	if (bytes[at] !== OPEN_BRACE) return err("Expecting an object");
	do {
		const start = skipSpace(bytes, at + 1);
		if (start === bytes.length || bytes[start] !== QUOTE)
			return err("Expecting property name enclosed in double quotes");
		const end = skipString(bytes, start);
		const name = bytes.toString("utf8", start + 1, end - 1);
		const colon = skipSpace(bytes, end);
		if (bytes[colon] !== COLON) return err("Expecting ':' delimiter");
		const from = skipSpace(bytes, colon + 1);
		const to = skipValue(bytes, from);
		if (SKIMMED.has(name)) {
			members[name] = new Unread(bytes.subarray(from, to));
		} else {
			const value = parseJson(bytes.toString("utf8", from, to));
			if (!value.ok) return value;
			members[name] = value.value;
		}
		at = skipSpace(bytes, to);
	} while (bytes[at] === COMMA);
	return bytes[at] === CLOSE_BRACE && skipSpace(bytes, at + 1) === bytes.length
		? ok(members)
		: err("Expecting ',' delimiter");
}

export function parseJson(text: string): Result<unknown, string> {
	try {
		return ok(JSON.parse(text));
	} catch (error) {
		return err(error instanceof Error ? error.message : "not JSON");
	}
}

export function parseObject(text: string): Result<JsonObject, string> {
	const parsed = parseJson(text);
	if (!parsed.ok) return parsed;
	return isObject(parsed.value) ? ok(parsed.value) : err("Expecting an object");
}

function skipSpace(bytes: Buffer, from: number): number {
	let at = from;
	while (at < bytes.length && bytes[at]! <= 0x20) at++;
	return at;
}

/** The place behind the string that starts at `from`. */
function skipString(bytes: Buffer, from: number): number {
	for (let at = bytes.indexOf(QUOTE, from + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
		let escapes = 0;
		while (bytes[at - 1 - escapes] === BACKSLASH) escapes++;
		if (escapes % 2 === 0) return at + 1;
	}
	return bytes.length;
}

function skipValue(bytes: Buffer, from: number): number {
	let depth = 0;
	let at = from;
	while (at < bytes.length) {
		switch (bytes[at]) {
			case QUOTE:
				at = skipString(bytes, at);
				continue;
			case OPEN_BRACE:
			case OPEN_BRACKET:
				depth++;
				break;
			case CLOSE_BRACE:
			case CLOSE_BRACKET:
				if (depth-- === 0) return at;
				break;
			case COMMA:
				if (depth === 0) return at;
				break;
			default:
		}
		at++;
	}
	return at;
}
