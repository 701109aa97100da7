import { isDigit, type JsonText, type Span } from "../http/json-values.ts";
import { skipSpace, stringEnd } from "../http/json-grammar.ts";
import { member, type Member } from "../http/json-members.ts";
import { PROMPT_MEMBER, type Endpoint } from "../scheduler/messages.ts";
import { hash64, hashBlocks } from "./block-hash.ts";
import { CanonicalText } from "./canonical-text.ts";

/** The blocks of a prompt's prefix, first to last. */
export interface PrefixChain {
	/** Two words (lo, hi) a block, in a buffer of just that size. */
	readonly words: Uint32Array<ArrayBuffer>;
	readonly unit: PrefixUnit;
}

/** What one block holds. */
export interface PrefixUnit {
	readonly of: "bytes" | "tokens";
	readonly count: number;
}

export interface PrefixInput {
	readonly endpoint: Endpoint;
	readonly json: JsonText;
	readonly members: readonly Member[];
	/** The model or adapter, aliases resolved. */
	readonly model: string;
	/** Who shares blocks: requests of one salt do, those of different salts do not. */
	readonly salt: string;
	/** Known to the deployment alone; the same wherever chains are to be compared. Absent: none. */
	readonly secret?: string | undefined;
}

export interface PrefixLimits {
	/** A multiple of 8. */
	readonly blockBytes: number;
	readonly blocksMax: number;
}

/** 512 bytes are about 128 tokens: what is not counted of a match, half a block, is prefilled in some milliseconds, and a
 *  replica that caches a million tokens needs 8,000 entries, so that the index of 32 MB is enough for 150 of them. 1,024 blocks
 *  are 512 KB of text or 131,072 tokens; what is longer is matched up to there. */
export const PREFIX_LIMITS: PrefixLimits = { blockBytes: 512, blocksMax: 1_024 };

/** Members besides the messages that chat templates put into the prompt before them, or that part its cache. */
const PREAMBLE = [
	"cache_salt",
	"extra_key",
	"chat_template",
	"chat_template_kwargs",
	"reasoning_effort",
	"documents",
	"tools",
	"functions",
	"system",
];
const OPEN_BRACKET = 0x5b;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BYTES_PER_TOKEN = 4;

const utf8 = new TextEncoder();

/** The block chain of a request's canonical text: what stands before the messages, then the messages in order. The messages of
 *  one turn are the beginning of the next turn's text, so that its chain goes on from theirs; a last block that is not full is
 *  left out. Whitespace outside of strings and the order of top-level members make no difference; the escapes in strings
 *  and the order of members within a message do (an SDK writes its history the same way every time), which costs a hit and
 *  nothing else. Of a list of prompts only the first is hashed. Embeddings have no chain: an encoder keeps no KV cache, and
 *  no engine tells what it reused. A prompt of tokens has blocks of as many tokens as fit into `blockBytes` at four bytes a
 *  token.
 *
 *  Different salts give unrelated chains. The hash can be inverted by who knows its seed, so texts can then be made that hash
 *  to one block twice, or to blocks that look like another salt's: the secret is in the seed for that. Where it is known or
 *  absent, a false match sends a request to a replica that has to compute more than was thought; no cached content and no
 *  answer depends on it. */
export function prefixChain(input: PrefixInput, limits: PrefixLimits = PREFIX_LIMITS): PrefixChain {
	const { endpoint, json, members, model, salt, secret } = input;
	const { blockBytes, blocksMax } = limits;
	const bytes: PrefixUnit = { of: "bytes", count: blockBytes };
	const prompt = member(members, PROMPT_MEMBER[endpoint]);
	if (endpoint === "embeddings" || !prompt) return { words: new Uint32Array(0), unit: bytes };
	// Most prompts of one short message: their text is no longer than the body, but for the marks of the preamble.
	if (endpoint === "chat" && json.bytes.length + 2 * PREAMBLE.length < blockBytes) {
		return { words: new Uint32Array(0), unit: bytes };
	}

	const bytesMax = blockBytes * blocksMax;
	const room = (least: number): CanonicalText => new CanonicalText(Math.min(bytesMax, least));
	const finish = (text: CanonicalText, kind: string, unit: PrefixUnit): PrefixChain => {
		const name = utf8.encode(JSON.stringify([kind, model, salt, ...(secret === undefined ? [] : [secret])]));
		const seed = hash64(name, 0, name.length);
		return { words: hashBlocks(text.bytes, text.length, blockBytes, blocksMax, seed), unit };
	};
	if (endpoint === "chat") {
		const text = room(json.bytes.length + 2 * PREAMBLE.length);
		writeChat(text, json, members, prompt);
		return finish(text, "chat", bytes);
	}
	const { value } = prompt;
	const first = firstPrompt(json, value);
	if (!first) {
		// Two characters at least, a digit and a comma, are a token.
		const text = room((BYTES_PER_TOKEN * (value.end - value.start)) / 2 + BYTES_PER_TOKEN);
		writeTokens(text, json.bytes, value);
		return finish(text, "tokens", { of: "tokens", count: blockBytes / BYTES_PER_TOKEN });
	}
	const text = room(first.end - first.start);
	text.raw(json.bytes, first.start, first.end);
	return finish(text, "text", bytes);
}

function writeChat(text: CanonicalText, json: JsonText, members: readonly Member[], messages: Member): void {
	PREAMBLE.forEach((name, index) => {
		const value = member(members, name)?.value;
		if (!value) return;
		text.byte(index);
		text.json(json, value.start, value.end);
	});
	text.byte(PREAMBLE.length);
	// Without its closing bracket the list of one turn begins the list of the next.
	const { start, end } = messages.value;
	if (messages.plain) text.raw(json.bytes, start, end - 1);
	else text.json(json, start, end - 1);
}

/** The inside of the string that is the prompt, or the first of several; undefined where tokens stand. */
function firstPrompt({ bytes, text }: JsonText, prompt: Span): Span | undefined {
	const start = bytes[prompt.start] === OPEN_BRACKET ? skipSpace(bytes, prompt.start + 1, prompt.end) : prompt.start;
	if (bytes[start] !== QUOTE) return undefined;
	const close = stringEnd({ bytes, text }, start, prompt.end);
	return { start: start + 1, end: close - 1 };
}

/** Tokens up to the first thing that is none. Each becomes its low 32 bits. */
function writeTokens(text: CanonicalText, bytes: Uint8Array, { start, end }: Span): void {
	let at = skipSpace(bytes, start + 1, end);
	// A list of lists.
	if (bytes[at] === OPEN_BRACKET) at = skipSpace(bytes, at + 1, end);
	while (!text.full && isDigit(bytes[at])) {
		let token = 0;
		for (; isDigit(bytes[at]); at++) token = (Math.imul(token, 10) + bytes[at]! - 0x30) | 0;
		at = skipSpace(bytes, at, end);
		text.word(token);
		if (bytes[at] !== COMMA) break;
		at = skipSpace(bytes, at + 1, end);
	}
}
