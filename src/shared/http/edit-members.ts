import { skipSpace } from "./json-grammar.ts";
import { member, type Member, topLevelMembers } from "./json-members.ts";
import { isNullAt, type JsonText, type JsonValue, type Span } from "./json-values.ts";
import type { Edit } from "./splice.ts";

/** What is to become of an object's members, by their decoded names. A name in several: `set` goes before `merge`, and
 *  `merge` before `remove`. */
export interface MemberChanges {
	/** Replaces the value of every member of that name; where there is none, adds one. */
	readonly set?: Readonly<Record<string, JsonValue>>;
	/** Sets these members inside the object that is the value. Absent or null becomes a new object; a value of another type
	 *  stays as it is, for the pool to refuse. */
	readonly merge?: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>;
	/** Takes out every member of that name. */
	readonly remove?: readonly string[];
}

/** The edits that make these changes to the object whose members `topLevelMembers(json, within)` gave. Applied in one splice
 *  they leave valid JSON, and all bytes outside them as they were. Sorted; none overlap. */
export function editMembers(
	json: JsonText,
	members: readonly Member[],
	changes: MemberChanges,
	within?: Span,
): readonly Edit[] {
	const { set = NOTHING, merge = NOTHING_MERGED, remove = [] } = changes;
	const isSet = (name: string): boolean => Object.hasOwn(set, name) || Object.hasOwn(merge, name);
	const removed = new Set(remove.filter((name) => !isSet(name)));
	const kept = removed.size === 0 ? members : members.filter(({ name }) => !removed.has(name));
	const edits: Edit[] = removed.size === 0 ? [] : removals(members, removed);
	const missing = Object.entries({ ...merge, ...set }).filter(([name]) => !member(members, name));
	if (missing.length > 0) {
		const at = skipSpace(json.bytes, within?.start ?? 0, json.bytes.length) + 1;
		const added = missing.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",");
		edits.push({ start: at, end: at, replacement: kept.length > 0 ? `${added},` : added });
	}
	for (const { name, value } of kept) {
		if (Object.hasOwn(set, name)) {
			edits.push({ ...value, replacement: JSON.stringify(set[name]) });
		} else if (Object.hasOwn(merge, name)) {
			const inner = merge[name]!;
			const children = isNullAt(json, value) ? undefined : topLevelMembers(json, value);
			if (!children) edits.push({ ...value, replacement: JSON.stringify(inner) });
			else if (children.ok) edits.push(...editMembers(json, children.value, { set: inner }, value));
		}
	}
	return edits.sort((a, b) => a.start - b.start || a.end - b.end);
}

const NOTHING: NonNullable<MemberChanges["set"]> = {};
const NOTHING_MERGED: NonNullable<MemberChanges["merge"]> = {};

/** A run of members goes with the comma to its right; the last run, which has none, with the one to its left. */
function removals(members: readonly Member[], names: ReadonlySet<string>): Edit[] {
	const edits: Edit[] = [];
	for (let index = 0; index < members.length; index++) {
		const before = members[index - 1];
		const first = members[index];
		if (!first || !names.has(first.name)) continue;
		let last = first;
		for (let next = members[index + 1]; next && names.has(next.name); next = members[index + 1]) {
			last = next;
			index++;
		}
		const after = members[index + 1];
		if (after) edits.push({ start: first.key.start, end: after.key.start, replacement: "" });
		else edits.push({ start: before?.value.end ?? first.key.start, end: last.value.end, replacement: "" });
	}
	return edits;
}
