import { describe, expect, test } from "vitest";
import { topLevelMembers } from "../../../src/shared/http/json-members.ts";
import { jsonText } from "../../../src/shared/http/json-values.ts";

function isPlain(messages: string): boolean {
	const members = topLevelMembers(jsonText(new TextEncoder().encode(`{ "n": { "a" : 1 }, "messages" : ${messages} }`)));
	if (!members.ok) throw new Error(members.error.message);
	return members.value.at(-1)!.plain;
}

const LONG = "A".repeat(300);

describe("a value is plain", () => {
	test.each([
		`[{"role":"user","content":"Hello, \\"you\\""}]`,
		`[{"role":"user","content":[{"type":"text","text":"Hello"}]}]`,
		`[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"4"}]`,
		`[{"role":"user","content":"${LONG} data:image/png;base64,"}]`,
		`[{"role":"user","content":"data:image/png;base64,AAAA"}]`,
		`[]`,
		`"text"`,
	])("%s", (messages) => expect(isPlain(messages)).toBe(true));
});

describe("a value is not plain", () => {
	test.each([
		`[ {"role":"user","content":"x"}]`,
		`[{"role":"user","content":"x"} ]`,
		`[{"role" :"user","content":"x"}]`,
		`[{"role": "user","content":"x"}]`,
		`[{"role":"user" ,"content":"x"}]`,
		`[{"role":"user",\n"content":"x"}]`,
		`[{"role":"user","content":[{"type":"image_url","text":"x"}]}]`,
		`[{"role":"user","content":[{"type":"text2","text":"x"}]}]`,
		`[{"role":"user","content":[{"type":null,"text":"x"}]}]`,
		`[{"role":"user","content":[{"image_url":"x"}]}]`,
		`[{"role":"user","content":[{"data":"x"}]}]`,
		`[{"r\\u006fle":"user","content":"x"}]`,
		`[{"Role":"user","content":"x"}]`,
		`[{"role":"user","content":"data:image/png;base64,${LONG}"}]`,
		`"data:image/png;base64,${LONG}"`,
	])("%s", (messages) => expect(isPlain(messages)).toBe(false));
});
