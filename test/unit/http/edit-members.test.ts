import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editMembers, type MemberChanges } from "../../../src/shared/http/edit-members.ts";
import { member, topLevelMembers } from "../../../src/shared/http/json-members.ts";
import { jsonText } from "../../../src/shared/http/json-values.ts";
import { type Edit, splice } from "../../../src/shared/http/splice.ts";
import { bytesOf, objectText, textOf } from "./json-arbitraries.ts";

function edit(text: string, changes: MemberChanges): { readonly result: string; readonly edits: readonly Edit[] } {
	const bytes = bytesOf(text);
	const json = jsonText(bytes);
	const members = topLevelMembers(json);
	if (!members.ok) throw new Error(members.error.message);
	const edits = editMembers(json, members.value, changes);
	return { result: textOf(splice(bytes, edits)), edits };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the changes mean, said of the members' names and parsed values, in order. */
function changed(
	members: readonly (readonly [string, unknown])[],
	changes: MemberChanges,
): (readonly [string, unknown])[] {
	const { set = {}, merge = {}, remove = [] } = changes;
	const named = new Set([...Object.keys(set), ...Object.keys(merge)]);
	const present = new Set(members.map(([name]) => name));
	const added: [string, unknown][] = [];
	for (const name of named)
		if (!present.has(name)) added.push([name, Object.hasOwn(set, name) ? set[name] : merge[name]]);
	const kept: (readonly [string, unknown])[] = [];
	for (const [name, value] of members) {
		if (Object.hasOwn(set, name)) kept.push([name, set[name]]);
		else if (!Object.hasOwn(merge, name)) kept.push(...(remove.includes(name) ? [] : [[name, value] as const]));
		else if (value === null) kept.push([name, merge[name]]);
		else kept.push([name, isPlainObject(value) ? { ...value, ...merge[name] } : value]);
	}
	return [...added, ...kept].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function parsedMembers(text: string): [string, unknown][] {
	const bytes = bytesOf(text);
	const members = topLevelMembers(jsonText(bytes));
	if (!members.ok) throw new Error(members.error.message);
	return members.value.map(({ name, value }) => [name, JSON.parse(textOf(bytes.subarray(value.start, value.end)))]);
}

const name = fc.oneof(
	fc.constantFrom("model", "isobar", "max_tokens", "stream_options", "a", ""),
	fc.string({ unit: "binary", maxLength: 4 }),
);
const jsonValue = fc.oneof(
	fc.constantFrom(null, true, 'é"😀', 4096, { deep: [1, { x: null }] }),
	fc.string({ unit: "binary", maxLength: 6 }),
);
const changesOf: fc.Arbitrary<MemberChanges> = fc.record(
	{
		set: fc.dictionary(name, jsonValue, { maxKeys: 3 }),
		merge: fc.dictionary(name, fc.dictionary(name, jsonValue, { maxKeys: 2 }), { maxKeys: 2 }),
		remove: fc.array(name, { maxLength: 4 }),
	},
	{ requiredKeys: [] },
);

describe("editMembers", () => {
	test("any changes at once give the object that they mean, and touch no other byte", () => {
		fc.assert(
			fc.property(objectText, changesOf, ({ text }, changes) => {
				const { result, edits } = edit(text, changes);
				JSON.parse(result);
				const after = parsedMembers(result).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
				expect(after).toEqual(changed(parsedMembers(text), changes));

				const before = bytesOf(text);
				const bytes = bytesOf(result);
				let read = 0;
				let written = 0;
				for (const { start, end, replacement } of edits) {
					expect(bytes.subarray(written, written + start - read)).toEqual(before.subarray(read, start));
					written += start - read + bytesOf(replacement).length;
					read = end;
				}
				expect(bytes.subarray(written)).toEqual(before.subarray(read));
			}),
			{ numRuns: 1000 },
		);
	});

	test("any of the members can be removed, with the right comma", () => {
		for (const count of [1, 2, 3, 4]) {
			const names = Array.from("abcd").slice(0, count);
			const text = `{ ${names.map((name) => `"${name}" : 1 `).join(", ")}}`;
			for (let mask = 0; mask < 2 ** count; mask++) {
				const remove = names.filter((_, index) => mask & (1 << index));
				const left = names.filter((name) => !remove.includes(name));
				const alone = edit(text, { remove }).result;
				expect(JSON.parse(alone)).toEqual(Object.fromEntries(left.map((name) => [name, 1])));
				const withNew = edit(text, { remove, set: { z: 2 } }).result;
				expect(JSON.parse(withNew)).toEqual({ z: 2, ...Object.fromEntries(left.map((name) => [name, 1])) });
			}
		}
	});

	test.each<[string, MemberChanges, string]>([
		["{}", { set: { a: 1 } }, '{"a":1}'],
		[" { } ", { set: { a: 1, b: "x" } }, ' {"a":1,"b":"x" } '],
		['{"x":0}', { set: { a: 1 } }, '{"a":1,"x":0}'],
		['{"isobar":{}}', { remove: ["isobar"], set: { max_tokens: 5 } }, '{"max_tokens":5}'],
		['{"model": "a", "model":"b"}', { set: { model: "c" } }, '{"model": "c", "model":"c"}'],
		['{"mod\\u0065l":"a","x":1}', { set: { model: "c" } }, '{"mod\\u0065l":"c","x":1}'],
		['{"x":1 , "i\\u0073obar":{} ,\n"y":2}', { remove: ["isobar"] }, '{"x":1 , "y":2}'],
		['{"x":1 , "isobar":{} }', { remove: ["isobar"] }, '{"x":1 }'],
		[
			'{"x":1}',
			{ merge: { stream_options: { include_usage: true } } },
			'{"stream_options":{"include_usage":true},"x":1}',
		],
		['{"s": null}', { merge: { s: { u: true } } }, '{"s": {"u":true}}'],
		['{"s":{ }}', { merge: { s: { u: true } } }, '{"s":{"u":true }}'],
		['{"s":{"u":false,"v":1}}', { merge: { s: { u: true } } }, '{"s":{"u":true,"v":1}}'],
		['{"s":"text"}', { merge: { s: { u: true } } }, '{"s":"text"}'],
		['{"s":[1]}', { set: { s: 1 }, merge: { s: { u: true } }, remove: ["s"] }, '{"s":1}'],
	])("%s with %j", (text, changes, expected) => {
		expect(edit(text, changes).result).toBe(expected);
	});

	test("an object within can be edited by its span", () => {
		const bytes = bytesOf('{"é":1,"s": { "u" : 1 },"t":2}');
		const json = jsonText(bytes);
		const outer = topLevelMembers(json);
		const within = outer.ok ? member(outer.value, "s")!.value : expect.fail();
		const inner = topLevelMembers(json, within);
		const edits = inner.ok ? editMembers(json, inner.value, { set: { v: 2 }, remove: ["u"] }, within) : expect.fail();
		expect(textOf(splice(bytes, edits))).toBe('{"é":1,"s": {"v":2  },"t":2}');
	});
});

describe("splice", () => {
	test("without edits gives the very same bytes", () => {
		const bytes = bytesOf("abc");
		expect(splice(bytes, [])).toBe(bytes);
		expect(edit('{"a":1}', { remove: ["b"] }).edits).toEqual([]);
	});

	test("makes edits in any order, insertions at one place in theirs", () => {
		const edits = [
			{ start: 4, end: 6, replacement: "" },
			{ start: 2, end: 2, replacement: "é" },
			{ start: 2, end: 2, replacement: "2" },
			{ start: 2, end: 3, replacement: "C" },
		];
		expect(textOf(splice(bytesOf("abcdef"), edits))).toBe("abé2Cd");
	});

	test.each([
		[
			{ start: 0, end: 3, replacement: "" },
			{ start: 2, end: 4, replacement: "" },
		],
		[{ start: 5, end: 7, replacement: "" }],
		[{ start: 3, end: 2, replacement: "" }],
	])("throws at edits that do not fit", (...edits) => {
		expect(() => splice(bytesOf("abcdef"), edits)).toThrow("does not fit");
	});
});
