import { scanJson } from "../http/json-grammar.ts";
import { member, topLevelMembers, type Member } from "../http/json-members.ts";
import { stringAt, type JsonText } from "../http/json-values.ts";
import { PROMPT_MEMBER, type Endpoint } from "../scheduler/messages.ts";
import { hash64 } from "./block-hash.ts";

/** Of a prompt that is no list of messages, and of a first message that is longer. */
const BYTES_MAX = 4_096;

/** A number that all turns of a conversation share and different conversations mostly do not, though their system prompts be
 *  equal: a hash of the messages up to the first of the user. Of other prompts, of their beginning. Whoever divides
 *  conversations by it keeps a conversation together and spreads a tenant's. */
export function conversationHash(endpoint: Endpoint, json: JsonText, members: readonly Member[]): number {
	const prompt = member(members, PROMPT_MEMBER[endpoint])?.value;
	if (!prompt) return 0;
	let start = prompt.start;
	let end = Math.min(prompt.end, prompt.start + BYTES_MAX);
	if (endpoint === "chat") {
		const stop = { at: 0, message: "the first message of the user" };
		scanJson(json, prompt.start, prompt.end, (_key, _keyEnd, from, to) => {
			const parts = topLevelMembers(json, { start: from, end: to });
			const role = parts.ok ? member(parts.value, "role") : undefined;
			start = from;
			end = Math.min(to, from + BYTES_MAX);
			return role && stringAt(json, role.value) === "user" ? stop : null;
		});
	}
	return hash64(json.bytes, start, end).lo;
}
