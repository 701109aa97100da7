import { scanJson } from "../http/json-grammar.ts";
import { member, topLevelMembers, type Member } from "../http/json-members.ts";
import { stringAt, type JsonText } from "../http/json-values.ts";
import { PROMPT_MEMBER, type Endpoint } from "../scheduler/messages.ts";
import { hash64 } from "./block-hash.ts";

/** Of a prompt that is no list of messages: instructions and examples that a tenant puts before all of its prompts are mostly
 *  shorter, 8,000 tokens. One that goes on from another has its number only from there on. */
const BYTES_MAX = 32_768;

/** A number that all turns of a conversation share and different conversations mostly do not, though their system prompts or
 *  their questions be equal: a hash of the messages up to the first of the user, as long as they are. Of other prompts, and of
 *  messages without one of the user, of their beginning. Whoever divides conversations by it keeps a conversation together
 *  and spreads a tenant's. */
export function conversationHash(endpoint: Endpoint, json: JsonText, members: readonly Member[]): number {
	const prompt = member(members, PROMPT_MEMBER[endpoint])?.value;
	if (!prompt) return 0;
	let end = Math.min(prompt.end, prompt.start + BYTES_MAX);
	if (endpoint === "chat") {
		const stop = { at: 0, message: "the first message of the user" };
		scanJson(json, prompt.start, prompt.end, (_key, _keyEnd, from, to) => {
			const parts = topLevelMembers(json, { start: from, end: to });
			const role = parts.ok ? member(parts.value, "role") : undefined;
			if (!role || stringAt(json, role.value) !== "user") return null;
			end = to;
			return stop;
		});
	}
	return hash64(json.bytes, prompt.start, end).lo;
}
