import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	elementCount,
	type Member,
	member,
	nestedMember,
	topLevelMembers,
} from "../../../src/shared/http/json-members.ts";
import {
	booleanAt,
	isNullAt,
	jsonAt,
	type JsonText,
	jsonText,
	numberAt,
	type Span,
	stringAt,
} from "../../../src/shared/http/json-values.ts";
import { BODY_MEMBERS_MAX, JSON_DEPTH_MAX } from "../../../src/shared/limits.ts";
import { bytesOf, objectText, valueText } from "./json-arbitraries.ts";

function membersOf(json: JsonText): readonly Member[] {
	const members = topLevelMembers(json);
	if (!members.ok) throw new Error(`${members.error.message} at ${members.error.at}`);
	return members.value;
}

function read(text: string): { readonly json: JsonText; readonly members: readonly Member[] } {
	const json = jsonText(bytesOf(text));
	return { json, members: membersOf(json) };
}

function at(members: readonly Member[], index: number): Span {
	return members[index]?.value ?? expect.fail("no such member");
}

function faultOf(text: string): { readonly at: number; readonly message: string } | null {
	const members = topLevelMembers(jsonText(bytesOf(text)));
	return members.ok ? null : members.error;
}

/** Whether a text is a JSON object but for the inside of its strings: every string is emptied, and JSON.parse judges. */
function isObjectButForStrings(text: string): boolean {
	try {
		const value: unknown = JSON.parse(text.replaceAll(/"(?:[^"\\]|\\[^])*"/g, '""'));
		return typeof value === "object" && value !== null && !Array.isArray(value);
	} catch {
		return false;
	}
}

describe("topLevelMembers", () => {
	test("finds every member of any object where it stands, duplicates included", () => {
		fc.assert(
			fc.property(objectText, ({ text, members: made }) => {
				const { json, members } = read(text);
				expect(members.map(({ name }) => name)).toEqual(made.map(({ name }) => JSON.parse(name)));
				const bytes = (start: number, end: number) => Buffer.from(json.bytes.subarray(start, end)).toString();
				expect(members.map(({ key }) => bytes(key.start, key.end))).toEqual(made.map(({ name }) => name));
				expect(members.map(({ value }) => bytes(value.start, value.end))).toEqual(made.map(({ value }) => value));
				for (const [index, { value }] of members.entries()) {
					expect(jsonAt(json, value)).toEqual(JSON.parse(made[index]?.value ?? ""));
				}
				for (const [name, value] of Object.entries<unknown>(JSON.parse(text))) {
					const found = member(members, name);
					expect(found && jsonAt(json, found.value)).toEqual(value);
				}
			}),
			{ numRuns: 300 },
		);
	});

	test("judges as JSON.parse does when bytes are deleted, inserted, replaced or cut off", () => {
		const inserted = fc.constantFrom(...Array.from('{}[]:,"\\0-+.eEtn 1\n\u00a0\u0001'));
		fc.assert(
			fc.property(objectText, inserted, ({ text }, char) => {
				for (let at = 0; at <= text.length; at++) {
					const [before, after] = [text.slice(0, at), text.slice(at)];
					for (const changed of [
						before,
						before + after.slice(1),
						before + char + after,
						before + char + after.slice(1),
					]) {
						const fault = faultOf(changed);
						// Top-level names are the only strings that are looked into.
						if (fault?.message === "a member name is no valid JSON string") continue;
						if ((fault === null) !== isObjectButForStrings(changed)) {
							expect.fail(`${fault ? `refused (${fault.message})` : "accepted"}: ${JSON.stringify(changed)}`);
						}
					}
				}
			}),
			{ numRuns: 60 },
		);
	});

	test.each([
		["", 0, "expected a JSON object, found nothing"],
		[" \n", 2, "expected a JSON object, found nothing"],
		["[1]", 0, "expected a JSON object"],
		['"{}"', 0, "expected a JSON object"],
		["\ufeff{}", 0, "begins with a byte order mark"],
		['{"a":1', 6, "expected ',' or '}', found the end"],
		['{"a":[1}', 7, "expected ',' or ']', found \"}\""],
		['{"a":1,}', 7, 'expected a member name in quotes, found "}"'],
		["{,}", 1, 'expected a member name in quotes, found ","'],
		['{"a" 1}', 5, "expected ':', found \"1\""],
		['{"a":01}', 5, 'expected a JSON value, found "0"'],
		['{"a":.5}', 5, 'expected a JSON value, found "."'],
		['{"a":1.}', 5, 'expected a JSON value, found "1"'],
		['{"a":1e}', 5, 'expected a JSON value, found "1"'],
		['{"a":nul}', 5, 'expected a JSON value, found "n"'],
		['{"a":NaN}', 5, 'expected a JSON value, found "N"'],
		['{"a":"x\\"}', 5, "a string begins here that does not end"],
		['{"a":[1,]}', 8, 'expected a JSON value, found "]"'],
		['{"a":1}}', 7, 'expected nothing more, found "}"'],
		['{"mod\\x65l":1}', 1, "a member name is no valid JSON string"],
		['{"mod\nel":1}', 1, "a member name is no valid JSON string"],
	])("refuses %j at byte %i", (text, at, message) => {
		expect(faultOf(text)).toEqual({ at, message });
	});

	test("gives byte offsets, not characters, behind text beyond ASCII", () => {
		const { json, members } = read('{"é😀":"ü","model":"lé"}');
		expect(members.map(({ name }) => name)).toEqual(["é😀", "model"]);
		expect(members[1]?.value).toEqual({ start: 23, end: 28 });
		expect(stringAt(json, at(members, 1))).toBe("lé");
	});

	test("refuses a name that is not UTF-8 and skips other strings that are not", () => {
		const bad = (key: number[], value: number[]) =>
			topLevelMembers(jsonText(Uint8Array.of(0x7b, 0x22, ...key, 0x22, 0x3a, 0x22, ...value, 0x22, 0x7d)));
		expect(bad([0xff], [0x61])).toMatchObject({ ok: false, error: { at: 1 } });
		expect(bad([0x61], [0xff])).toMatchObject({ ok: true, value: [{ name: "a" }] });
	});

	test("bounds the depth and the number of members", () => {
		const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
		expect(faultOf(nested(JSON_DEPTH_MAX))).toBeNull();
		expect(faultOf(nested(JSON_DEPTH_MAX + 1))?.message).toBe(`nests deeper than ${JSON_DEPTH_MAX} levels`);
		const wide = (count: number) => `{${Array.from({ length: count }, (_, i) => `"${i}":{"x":1,"y":2}`).join(",")}}`;
		expect(faultOf(wide(BODY_MEMBERS_MAX))).toBeNull();
		expect(faultOf(wide(BODY_MEMBERS_MAX + 1))?.message).toBe(`over ${BODY_MEMBERS_MAX} members`);
	});
});

describe("values", () => {
	test("are read where they stand", () => {
		const { json, members } = read(
			'{"s":"a\\u00e9\\n","n":-1.5e2,"t":true,"f":false,"z":null,"o":{"x":[1]},"big":1e999}',
		);
		const span = (name: string) => member(members, name)?.value ?? expect.fail(name);
		expect(stringAt(json, span("s"))).toBe("aé\n");
		expect(numberAt(json, span("n"))).toBe(-150);
		expect(numberAt(json, span("big"))).toBe(Number.POSITIVE_INFINITY);
		expect(booleanAt(json, span("t"))).toBe(true);
		expect(booleanAt(json, span("f"))).toBe(false);
		expect(isNullAt(json, span("z"))).toBe(true);
		expect(isNullAt(json, span("t"))).toBe(false);
		expect(jsonAt(json, span("o"))).toEqual({ x: [1] });
	});

	test("of another type are undefined", () => {
		const { json, members } = read('{"s":"1","n":1,"t":true,"z":null,"a":["x"],"nearly":"true"}');
		for (const { name, value } of members) {
			if (name !== "s" && name !== "nearly") expect(stringAt(json, value)).toBeUndefined();
			if (name !== "n") expect(numberAt(json, value)).toBeUndefined();
			if (name !== "t") expect(booleanAt(json, value)).toBeUndefined();
		}
	});

	test.each(['"\\x"', '"\n"', '"\\ud8"'])("a string that JSON refuses is undefined: %j", (value) => {
		const { json, members } = read(`{"a":${value}}`);
		expect(stringAt(json, at(members, 0))).toBeUndefined();
	});

	test("a string that is no UTF-8 is undefined", () => {
		const json = jsonText(Uint8Array.of(...bytesOf('{"a":"'), 0xc3, ...bytesOf('"}')));
		expect(stringAt(json, at(membersOf(json), 0))).toBeUndefined();
	});
});

describe("nested values", () => {
	test("nestedMember reads a member of a member, of duplicates the last", () => {
		const { json, members } = read(
			'{"stream_options":{"include_usage":false},"stream_options":{"x":{"include_usage":1},"include_usage": true }}',
		);
		const found = nestedMember(json, members, "stream_options", "include_usage");
		expect(found && booleanAt(json, found.value)).toBe(true);
		expect(nestedMember(json, members, "stream_options", "absent")).toBeUndefined();
		expect(nestedMember(json, members, "absent", "include_usage")).toBeUndefined();
	});

	test("nestedMember finds nothing in a value that is no object", () => {
		const { json, members } = read('{"a":"{\\"b\\":1}","c":["b"],"d":null}');
		for (const name of ["a", "c", "d"]) expect(nestedMember(json, members, name, "b")).toBeUndefined();
	});

	test("elementCount counts the elements of an array and of nothing else", () => {
		fc.assert(
			fc.property(valueText, (text) => {
				const { json, members } = read(`{"a":${text}}`);
				const value: unknown = JSON.parse(text);
				expect(elementCount(json, at(members, 0))).toBe(Array.isArray(value) ? value.length : undefined);
			}),
			{ numRuns: 200 },
		);
	});
});
