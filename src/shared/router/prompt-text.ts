import { scanJson } from "../http/json-grammar.ts";
import { member, topLevelMembers, type Member } from "../http/json-members.ts";
import { stringAt, type JsonText, type Span } from "../http/json-values.ts";
import { PROMPT_MEMBER, type Endpoint } from "../scheduler/messages.ts";

/** Characters of a prompt that are judged at most. */
export const PROMPT_CHARS_MAX = 16_384;
/** Messages that are looked at: the first, where the system's stand, and the last; and parts of one. */
const FIRST_MAX = 8;
const LAST_MAX = 248;
const PARTS_MAX = 64;
/** Of a text that is cut, what its end gets: the question mostly stands first or last. */
const END_SHARE = 0.5;

const STOP = { at: 0, message: "enough" };
const lenient = new TextDecoder();

/** The text by which a prompt is judged: what the system and the user say, in order, so that the user's last message is last. Where
 *  that is too much the last message is kept before the system's, and that before older ones; of one that is too long itself,
 *  its beginning and end. Empty for a prompt of tokens, whose text is not known. Of a list of prompts, the first. */
export function promptText(endpoint: Endpoint, json: JsonText, members: readonly Member[]): string {
	const prompt = member(members, PROMPT_MEMBER[endpoint])?.value;
	if (!prompt) return "";
	return endpoint === "chat" ? chatText(json, prompt) : completionText(json, prompt);
}

function completionText(json: JsonText, prompt: Span): string {
	if (json.text[prompt.start] === '"') return stringUpTo(json, prompt, PROMPT_CHARS_MAX);
	let text = "";
	scanJson(json, prompt.start, prompt.end, (_key, _keyEnd, start, end) => {
		text = stringUpTo(json, { start, end }, PROMPT_CHARS_MAX);
		return STOP;
	});
	return text;
}

interface Said {
	readonly isSystem: boolean;
	readonly content: Span;
}

function chatText(json: JsonText, messages: Span): string {
	const first: Span[] = [];
	let last: Span[] = [];
	scanJson(json, messages.start, messages.end, (_key, _keyEnd, start, end) => {
		(first.length < FIRST_MAX ? first : last).push({ start, end });
		if (last.length === 2 * LAST_MAX) last = last.slice(-LAST_MAX);
		return null;
	});
	const said: Said[] = [];
	for (const span of [...first, ...last.slice(-LAST_MAX)]) {
		const found = saidIn(json, span);
		if (found) said.push(found);
	}
	const question = said.findLastIndex(({ isSystem }) => !isSystem);
	// The most telling first; at equal weight the later one.
	const order = said
		.map(({ isSystem }, index) => ({ index, rank: index === question ? 0 : isSystem ? 1 : 2 }))
		.sort((a, b) => a.rank - b.rank || b.index - a.index);
	const texts = new Map<number, string>();
	let left = PROMPT_CHARS_MAX;
	for (const { index } of order) {
		if (left <= 1) break;
		const text = contentText(json, said[index]!.content, left - 1);
		texts.set(index, text);
		left -= text.length + 1;
	}
	return said.flatMap((_, index) => texts.get(index) || []).join("\n");
}

/** What a message of the system or the user says; undefined for those of others. */
function saidIn(json: JsonText, message: Span): Said | undefined {
	const members = topLevelMembers(json, message);
	if (!members.ok) return undefined;
	const role = member(members.value, "role")?.value;
	const content = member(members.value, "content")?.value;
	const who = role && stringAt(json, role);
	if (!content || (who !== "user" && who !== "system" && who !== "developer")) return undefined;
	return { isSystem: who !== "user", content };
}

/** A string, or the texts of a list of parts. */
function contentText(json: JsonText, content: Span, max: number): string {
	if (json.text[content.start] === '"') return stringUpTo(json, content, max);
	if (json.text[content.start] !== "[") return "";
	const texts: string[] = [];
	let left = max;
	scanJson(json, content.start, content.end, (_key, _keyEnd, start, end) => {
		const parts = json.text[start] === "{" ? topLevelMembers(json, { start, end }) : undefined;
		const text = parts?.ok ? member(parts.value, "text")?.value : undefined;
		if (text) texts.push(stringUpTo(json, text, left));
		left = max - texts.reduce((sum, each) => sum + each.length + 1, 0);
		return left <= 0 || texts.length === PARTS_MAX ? STOP : null;
	});
	return texts.join("\n").slice(0, max);
}

/** The string at a span, of a longer one its beginning and end: `max` characters. Empty where none stands there. */
function stringUpTo(json: JsonText, span: Span, max: number): string {
	if (json.text[span.start] !== '"') return "";
	if (span.end - span.start - 2 <= max) return stringAt(json, span) ?? "";
	const tail = Math.floor((max - 1) * END_SHARE);
	const head = max - 1 - tail;
	const first = decoded(json, span.start + 1, span.start + 1 + head);
	return `${first}\n${decoded(json, span.end - 1 - tail, span.end - 1)}`;
}

/** The inside of a string from anywhere to anywhere: a character or an escape that is cut comes out as something else. */
function decoded({ bytes }: JsonText, start: number, end: number): string {
	const raw = lenient.decode(bytes.subarray(start, end));
	return raw.replace(ESCAPE, (_, hex: string | undefined, letter: string | undefined) =>
		hex === undefined ? (LETTERS[letter ?? ""] ?? letter ?? "") : String.fromCharCode(Number.parseInt(hex, 16)),
	);
}

const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(.))/g;
const LETTERS: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };
