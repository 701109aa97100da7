import { BlockChain } from "./block-chain.ts";
import { combine, hashText } from "./random.ts";
import { CHARACTERS_PER_TOKEN, countTokens, tokenIdAt, VOCABULARY_SIZE } from "./tokenizer.ts";

/** An image or a sound: so many tokens, whose ids come from a hash of what it is. */
export interface Media {
	readonly key: number;
	readonly tokens: number;
}

/** A special token, a text, token ids as they came, or media. */
export type Segment = number | string | readonly number[] | Media;

export interface Prompt {
	readonly segments: readonly Segment[];
	readonly tokens: number;
	/** Tells prompts apart cheaply (count, and the last characters): answers are drawn from it at every speed alike. */
	readonly key: number;
}

const KEY_CHARACTERS = 64;

/** Counts a prompt without tokenising it. `keyCharacters`: how much of each text's (or token list's) end the key covers. */
export function promptOf(segments: readonly Segment[], keyCharacters = KEY_CHARACTERS): Prompt {
	let tokens = 0;
	let key = 0;
	for (const segment of segments) {
		if (typeof segment === "number") {
			tokens++;
		} else if (typeof segment === "string") {
			tokens += countTokens(segment);
			key = hashText(segment, key, Math.max(0, segment.length - keyCharacters));
		} else if ("tokens" in segment) {
			tokens += segment.tokens;
			key = combine(key, segment.key);
		} else {
			tokens += segment.length;
			for (const id of segment.slice(-keyCharacters)) key = combine(key, id);
		}
	}
	return { segments, tokens, key: combine(key, tokens) };
}

/** The block hashes of a prompt. Requests with different salts (vLLM's `cache_salt`) share no block. `recorded`: with its
 *  tokens. */
export function chainOf(prompt: Prompt, salt: string | null, recorded: boolean): BlockChain {
	const chain = new BlockChain(salt === null ? 0 : hashText(salt));
	if (recorded) chain.record = { tokens: [], salt };
	for (const segment of prompt.segments) {
		if (typeof segment === "number") {
			chain.push(segment);
		} else if (typeof segment === "string") {
			for (let at = 0; at < segment.length; at += CHARACTERS_PER_TOKEN) chain.push(tokenIdAt(segment, at));
		} else if ("tokens" in segment) {
			for (let i = 0; i < segment.tokens; i++) chain.push(combine(segment.key, i) % VOCABULARY_SIZE);
		} else {
			for (const id of segment) chain.push(id);
		}
	}
	return chain;
}
