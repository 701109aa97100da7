import { afterEach, describe, expect, test, vi } from "vitest";
import { topLevelMembers } from "../../../src/shared/http/json-members.ts";
import { jsonText } from "../../../src/shared/http/json-values.ts";
import { bytesOf } from "./json-arbitraries.ts";

describe("hostile bodies", () => {
	afterEach(() => vi.restoreAllMocks());

	const size = 8 * 1024 * 1024;
	const hostile: readonly (readonly [string, (size: number) => string, boolean])[] = [
		["a string of backslashes", (size) => `{"a":"${"\\".repeat(size)}"}`, true],
		["a string of backslashes that has no end", (size) => `{"a":"${"\\".repeat(size)}`, false],
		["a string of escaped quotes", (size) => `{"a":"${'\\"'.repeat(size / 2)}"}`, true],
		["a string of backslash runs before quotes", (size) => `{"a":"${'\\\\\\\\\\\\\\\\\\"'.repeat(size / 10)}"}`, true],
		["a string of spread escaped quotes", (size) => `{"a":"${'123456789 123456789 \\"'.repeat(size / 22)}"}`, true],
		["nothing but quotes", (size) => '"'.repeat(size), false],
		["quotes in an object", (size) => `{${'"'.repeat(size)}`, false],
		["open brackets", (size) => `{"a":${"[".repeat(size)}`, false],
		["open objects", (size) => '{"a":'.repeat(size / 5), false],
		["empty strings", (size) => `{"a":[""${',""'.repeat(size / 3)}]}`, true],
		["brackets in pairs", (size) => `{"a":[[]${",[]".repeat(size / 3)}]}`, true],
		["spaces", (size) => `{${" ".repeat(size)}}`, true],
		["digits", (size) => `{"a":${"1".repeat(size)}}`, true],
	];

	test.each(hostile)("8 MiB of %s are judged", (_, make, valid) => {
		expect(topLevelMembers(jsonText(bytesOf(make(size)))).ok).toBe(valid);
	});

	test.each(hostile)("%s cost no more bytes looked at than a few times their length", (_, make) => {
		const bytes = bytesOf(make(22_000));
		const { text } = jsonText(bytes);
		let looks = 0;
		const counted = new Proxy(bytes, {
			get(target, name) {
				if (typeof name === "string" && /^\d+$/.test(name)) looks++;
				return Reflect.get(target, name, target);
			},
		});
		// Found by another method, since this one is replaced.
		vi.spyOn(String.prototype, "indexOf").mockImplementation(function (this: string, search, from = 0) {
			const found = this.slice(from).search(search);
			looks += found < 0 ? this.length - from : found + 1;
			return found < 0 ? found : from + found;
		});
		topLevelMembers({ bytes: counted, text });
		vi.restoreAllMocks();
		expect(looks).toBeGreaterThan(0);
		expect(looks).toBeLessThan(6 * bytes.length);
	});
});
