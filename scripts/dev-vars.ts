import { parseEnv } from "node:util";

const ASSIGNMENT = /^\s*(?:export\s+)?[\w.-]+\s*=\s*(.*)$/;
const BLANK_OR_COMMENT = /^\s*(?:#.*)?$/;

/** Names and values of a `.dev.vars`, as Node's `parseEnv` reads them. That passes over what is no assignment, and a
 *  credential with a typing error would be missing without a word: throws, with the number of the line and not its text. */
export function parseDevVars(text: string): Record<string, string> {
	const lines = text.split(/\r?\n/);
	for (let at = 0; at < lines.length; at++) {
		const line = lines[at] ?? "";
		if (BLANK_OR_COMMENT.test(line)) continue;
		const value = ASSIGNMENT.exec(line)?.[1];
		if (value === undefined) throw new Error(`.dev.vars, line ${at + 1}: not a line NAME=value.`);
		at = lastLineOf(lines, at, value);
	}
	return Object.fromEntries(Object.entries(parseEnv(text)).map(([name, each]) => [name, each ?? ""]));
}

/** Where the value ends that begins at a line: one in quotes may go on to the line that closes them. */
function lastLineOf(lines: readonly string[], at: number, value: string): number {
	const quote = value[0] ?? "";
	if (!`"'\``.includes(quote) || quote === "" || value.includes(quote, 1)) return at;
	const end = lines.findIndex((line, i) => i > at && line.includes(quote));
	return end < 0 ? at : end;
}
