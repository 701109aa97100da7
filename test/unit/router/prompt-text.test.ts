import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { topLevelMembers } from "../../../src/shared/http/json-members.ts";
import { jsonText } from "../../../src/shared/http/json-values.ts";
import { PROMPT_CHARS_MAX, promptText } from "../../../src/shared/router/prompt-text.ts";
import type { Endpoint } from "../../../src/shared/scheduler/messages.ts";

function textOf(body: object, endpoint: Endpoint = "chat"): string {
	const json = jsonText(new TextEncoder().encode(JSON.stringify(body)));
	const members = topLevelMembers(json);
	if (!members.ok) throw new Error(members.error.message);
	return promptText(endpoint, json, members.value);
}
const user = (content: unknown) => ({ role: "user", content });

describe("the text of a chat", () => {
	test("is what system and user say, in order, whatever they write", () => {
		const said = fc.record({
			role: fc.constantFrom("system", "developer", "user", "assistant", "tool"),
			content: fc.oneof(
				fc.string({ unit: "grapheme" }),
				fc.string().map((text) => `"\\\n\t${text}`),
			),
		});
		fc.assert(
			fc.property(fc.array(said, { minLength: 1, maxLength: 20 }), (messages) => {
				const expected = messages
					.filter(({ role }) => !["assistant", "tool"].includes(role))
					.flatMap(({ content }) => content || []);
				expect(textOf({ messages })).toBe(expected.join("\n"));
			}),
		);
	});

	test("of parts is their texts", () => {
		const parts = [
			{ type: "text", text: "what is" },
			{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
			{ type: "text", text: "on this?" },
		];
		expect(textOf({ messages: [user(parts)] })).toBe("what is\non this?");
	});

	test("is bounded, and keeps the user's last message before the system's, and that before older ones", () => {
		const long = (letter: string) => letter.repeat(PROMPT_CHARS_MAX * 0.7);
		const messages = [{ role: "system", content: long("s") }, user(long("o")), user(`${long("u")}?`)];
		const text = textOf({ messages });
		expect(text.length).toBeLessThanOrEqual(PROMPT_CHARS_MAX);
		expect(text.endsWith(`${long("u")}?`)).toBe(true);
		expect(text.startsWith("sss")).toBe(true);
		expect(text).not.toContain("o");
	});

	test("of one message that is too long is its beginning and end, not cut into its escapes' meaning", () => {
		const text = textOf({ messages: [user(`Begin ${'é\n"'.repeat(500_000)} End?`)] });
		expect(text.length).toBeLessThanOrEqual(PROMPT_CHARS_MAX);
		expect(text.startsWith('Begin é\n"é\n')).toBe(true);
		expect(text.endsWith('é\n" End?')).toBe(true);
	});

	test("of very many messages looks at the first and the last", () => {
		const many = Array.from({ length: 5_000 }, (_, index) => user(`m${index}`));
		const text = textOf({ messages: [{ role: "system", content: "rules" }, ...many] });
		expect(text.startsWith("rules\nm0\n")).toBe(true);
		expect(text.endsWith("m4999")).toBe(true);
		expect(text).not.toContain("m2500\n");
	});

	test("is empty where there is none", () => {
		expect(textOf({ messages: [user("")] })).toBe("");
		expect(textOf({ messages: [{ role: "assistant", content: "hi" }] })).toBe("");
		expect(textOf({ messages: [{}, 5, null, user(null), user(7)] })).toBe("");
	});
});

describe("the text of a completion", () => {
	test.each([
		["a string", "once upon", "once upon"],
		["the first of several", ["once", "twice"], "once"],
		["none of tokens", [1, 2, 3], ""],
		["none of lists of tokens", [[1, 2], [3]], ""],
	])("is %s", (_, prompt, expected) => {
		expect(textOf({ prompt }, "completions")).toBe(expected);
	});

	test("of one repeated character is bounded", () => {
		expect(textOf({ prompt: "a".repeat(1_000_000) }, "completions").length).toBeLessThanOrEqual(PROMPT_CHARS_MAX);
	});
});
