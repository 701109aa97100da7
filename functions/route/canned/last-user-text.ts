import { scanJson } from "../../../src/shared/http/json-grammar.ts";
import { member, type Member } from "../../../src/shared/http/json-members.ts";
import { jsonAt, stringAt, type JsonText, type Span } from "../../../src/shared/http/json-values.ts";
import { contentOf } from "../../../src/shared/router/cascade/read-answer.ts";
import { isRecord } from "../../../src/shared/router/cascade/json-fields.ts";
import { PROMPT_MEMBER, type Endpoint } from "../../../src/shared/scheduler/messages.ts";

/** A message, or a prompt, that is longer meets no rule. */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** Messages from the end among which the user's last is looked for. */
const LOOKED_AT = 16;

/** What the user said last; empty where that is not found, or is no text. */
export function lastUserText(endpoint: Endpoint, json: JsonText, members: readonly Member[]): string {
	const prompt = member(members, PROMPT_MEMBER[endpoint])?.value;
	if (!prompt) return "";
	if (endpoint !== "chat") return isShort(prompt) ? (stringAt(json, prompt) ?? "") : "";
	let last: Span[] = [];
	scanJson(json, prompt.start, prompt.end, (_key, _keyEnd, start, end) => {
		last.push({ start, end });
		if (last.length === 2 * LOOKED_AT) last = last.slice(-LOOKED_AT);
		return null;
	});
	for (const span of last.toReversed().slice(0, LOOKED_AT)) {
		const message = isShort(span) ? jsonAt(json, span) : undefined;
		if (isRecord(message) && message["role"] === "user") return contentOf(message["content"]);
	}
	return "";
}

function isShort({ start, end }: Span): boolean {
	return end - start <= MESSAGE_BYTES_MAX;
}
