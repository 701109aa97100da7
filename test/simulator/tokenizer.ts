import { hashText } from "./random.ts";

/** A toy tokenizer, not any model's: a text is cut into windows of four UTF-16 code units from its start, and a token's id is
 *  a hash of its characters. So a count needs a length only, texts that begin alike have tokens that begin alike, and an
 *  answer that comes back as a message has the tokens that it was generated with. */
export const CHARACTERS_PER_TOKEN = 4;
export const VOCABULARY_SIZE = 262_144;

/** Ids below this are special tokens. */
const SPECIAL_IDS = 256;
export const BEGIN_ID = 1;
/** Ends a message; generating it ends an answer. */
export const END_ID = 2;
const ROLE_IDS: Readonly<Record<string, number>> = { system: 3, developer: 4, user: 5, assistant: 6, tool: 7 };
const OTHER_ROLE_ID = 8;

export function roleId(role: string): number {
	return ROLE_IDS[role] ?? OTHER_ROLE_ID;
}

export function countTokens(text: string): number {
	return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

/** The id of the token that starts at code unit `start`. */
export function tokenIdAt(text: string, start: number): number {
	const end = Math.min(start + CHARACTERS_PER_TOKEN, text.length);
	return SPECIAL_IDS + (hashText(text, 0, start, end) % (VOCABULARY_SIZE - SPECIAL_IDS));
}

/** Hashes cannot be undone, so what was encoded here is remembered (at most one text an id); any other id decodes to a
 *  placeholder, and special tokens to nothing. */
export class Vocabulary {
	readonly #texts = new Map<number, string>();

	encode(text: string): number[] {
		const ids: number[] = [];
		for (let at = 0; at < text.length; at += CHARACTERS_PER_TOKEN) {
			const id = tokenIdAt(text, at);
			if (!this.#texts.has(id)) this.#texts.set(id, text.slice(at, at + CHARACTERS_PER_TOKEN));
			ids.push(id);
		}
		return ids;
	}

	decode(ids: readonly number[]): string {
		return ids.map((id) => (id < SPECIAL_IDS ? "" : (this.#texts.get(id) ?? `<|${id}|>`))).join("");
	}
}
