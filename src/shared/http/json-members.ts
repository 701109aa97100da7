import { BODY_MEMBERS_MAX } from "../limits.ts";
import { err, ok, type Result } from "../result.ts";
import { type JsonFault, scanJson, skipSpace } from "./json-grammar.ts";
import { type JsonText, type Span, stringAt } from "./json-values.ts";

/** One member of an object: its decoded name, the span of the name with its quotes, the span of the value, and whether that is
 *  plain (json-plain.ts). */
export interface Member {
	readonly name: string;
	readonly key: Span;
	readonly value: Span;
	readonly plain: boolean;
}

const PLAIN_NAME = /^"[ !#-[\]-~]*"$/;

/** The members of a JSON object in the order in which they stand, duplicates included, found without parsing it. `within`
 *  narrows that to the span of a nested object. All of the JSON grammar is checked except the inside of strings, which only
 *  the names of these members have checked. Fails where the value is no object, has over
 *  BODY_MEMBERS_MAX members, nests too deep, or begins with a byte order mark, as `JSON.parse` does too. */
export function topLevelMembers(json: JsonText, within?: Span): Result<readonly Member[], JsonFault> {
	const { bytes, text } = json;
	const start = within?.start ?? 0;
	const end = within?.end ?? text.length;
	const open = skipSpace(bytes, start, end);
	if (open === end) return err({ at: open, message: "expected a JSON object, found nothing" });
	if (text[open] !== "{") {
		const mark = text.startsWith("\u00ef\u00bb\u00bf", open);
		return err({ at: open, message: mark ? "begins with a byte order mark" : "expected a JSON object" });
	}

	const members: Member[] = [];
	const fault = scanJson(json, open, end, (keyStart, keyEnd, valueStart, valueEnd, plain) => {
		if (members.length === BODY_MEMBERS_MAX) return { at: keyStart, message: `over ${BODY_MEMBERS_MAX} members` };
		const key = { start: keyStart, end: keyEnd };
		const raw = text.slice(keyStart, keyEnd);
		const name = PLAIN_NAME.test(raw) ? raw.slice(1, -1) : stringAt(json, key);
		// A pool with a laxer parser might read such a name as one that we look for.
		if (name === undefined) return { at: keyStart, message: "a member name is no valid JSON string" };
		members.push({ name, key, value: { start: valueStart, end: valueEnd }, plain });
		return null;
	});
	return fault ? err(fault) : ok(members);
}

/** A member's name without regard to case, as Go's encoding/json compares it: there "\u017f" is an s and the Kelvin sign a k. */
export function foldName(name: string): string {
	return LOWER_NAME.test(name) ? name : name.toUpperCase().toLowerCase();
}

const LOWER_NAME = /^[a-z0-9_]*$/;

/** The member of that name; of several the last, which is the one that `JSON.parse` and Python's `json` keep. */
export function member(members: readonly Member[], name: string): Member | undefined {
	return members.findLast((candidate) => candidate.name === name);
}

/** The member `inner` of the object that is the value of `outer`, such as `stream_options.include_usage`. */
export function nestedMember(
	json: JsonText,
	members: readonly Member[],
	outer: string,
	inner: string,
): Member | undefined {
	const parent = member(members, outer);
	const children = parent && topLevelMembers(json, parent.value);
	return children?.ok ? member(children.value, inner) : undefined;
}

/** How many elements the array at a span has; undefined where the value is no array. */
export function elementCount(json: JsonText, span: Span): number | undefined {
	return elementSizes(json, span)?.count;
}

/** The same with the bytes of the longest element; 0 where there is none. */
export function elementSizes(
	json: JsonText,
	span: Span,
): { readonly count: number; readonly longest: number } | undefined {
	if (json.text[span.start] !== "[") return undefined;
	let count = 0;
	let longest = 0;
	const fault = scanJson(json, span.start, span.end, (_key, _keyEnd, start, end) => {
		count++;
		longest = Math.max(longest, end - start);
		return null;
	});
	return fault ? undefined : { count, longest };
}
