/** A value is plain when it holds nothing but what most lists of chat messages are made of: no whitespace between tokens, no
 *  member with a name but these, no `type` but these, and no data URL of some length. What is plain needs no second look: it is
 *  written as canonically as it can be, and carries text alone. */
const PLAIN_NAMES: ReadonlySet<string> = new Set(
	["role", "content", "text", "name", "tool_calls", "tool_call_id", "id", "function", "arguments"].map(
		(name) => `"${name}"`,
	),
);
const PLAIN_TYPES = ['"type":"text"', '"type":"function"'];

/** Strings under this many bytes, quotes included, are kept as they are, whatever they hold. */
export const ATTACHMENT_BYTES_MIN = 256;

/** Whether a member may stand in a plain value: its name with its quotes is from `start` to `end`. */
export function isPlainName(text: string, start: number, end: number): boolean {
	return PLAIN_NAMES.has(text.slice(start, end)) || PLAIN_TYPES.some((type) => text.startsWith(type, start));
}

export function isPlainString(text: string, start: number, end: number): boolean {
	return end - start < ATTACHMENT_BYTES_MIN || !text.startsWith("data:", start + 1);
}
