import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { topLevelMembers } from "../../../src/shared/http/json-members.ts";
import { jsonText } from "../../../src/shared/http/json-values.ts";
import { conversationHash } from "../../../src/shared/kv/conversation.ts";
import { shardOf } from "../../../src/shared/scheduler/name.ts";

function hashOf(body: object, endpoint: "chat" | "completions" = "chat"): number {
	const json = jsonText(new TextEncoder().encode(JSON.stringify(body)));
	const members = topLevelMembers(json);
	if (!members.ok) throw new Error(members.error.message);
	return conversationHash(endpoint, json, members.value);
}

const system = { role: "system", content: "You are helpful. ".repeat(500) };
const user = (content: string) => ({ role: "user", content });

describe("a conversation's number", () => {
	test("is the same in all of its turns, and does not depend on what stands around the messages", () => {
		fc.assert(
			fc.property(fc.string(), fc.array(fc.string(), { maxLength: 5 }), (first, later) => {
				const opening = [system, user(first)];
				const turns = later.flatMap((text) => [{ role: "assistant", content: text }, user(text)]);
				const expected = hashOf({ model: "m", messages: opening });
				expect(hashOf({ temperature: 0, messages: [...opening, ...turns], model: "x", stream: true })).toBe(expected);
			}),
		);
	});

	test("spreads a tenant's conversations, whose system prompt is the same, over shards", () => {
		const counts = [0, 0, 0, 0];
		for (let i = 0; i < 2_000; i++) counts[shardOf(hashOf({ messages: [system, user(`question ${i}`)] }), 4)]!++;
		for (const count of counts) expect(count / 500).toBeCloseTo(1, 0);
	});

	test("differs where only the end of a long question does, or only the system prompt of a short one", () => {
		const document = "The report says that pressure falls. ".repeat(2_000);
		const hashes = [
			hashOf({ messages: [user(`${document}What follows?`)] }),
			hashOf({ messages: [user(`${document}Who wrote it?`)] }),
			hashOf({ messages: [{ role: "system", content: `${document}Be brief.` }, user("hi")] }),
			hashOf({ messages: [{ role: "system", content: `${document}Be kind.` }, user("hi")] }),
			hashOf({ messages: [user("hi")] }),
		];
		expect(new Set(hashes).size).toBe(hashes.length);
	});

	test("spreads prompts that begin with the same examples, as texts or tokens, and is that of one which goes on", () => {
		const examples = "Q: What is an isobar? A: A line of equal pressure. ".repeat(500);
		for (const prompt of [
			(end: string) => examples + end,
			(end: string) => Array.from(examples.slice(0, 5_000) + end, (each) => each.codePointAt(0)),
		]) {
			const counts = [0, 0, 0, 0];
			for (let i = 0; i < 400; i++) counts[shardOf(hashOf({ prompt: prompt(`Q: ${i}?`) }, "completions"), 4)]!++;
			for (const count of counts) expect(count / 100).toBeCloseTo(1, 0);
		}
		const long = examples.repeat(2);
		expect(hashOf({ prompt: `${long}more` }, "completions")).toBe(hashOf({ prompt: long }, "completions"));
	});

	test("is that of the beginning where the user says nothing, and 0 of nothing", () => {
		expect(hashOf({ messages: [system] })).toBe(hashOf({ messages: [system], model: "m" }));
		expect(hashOf({ messages: [system] })).not.toBe(hashOf({ messages: [{ role: "tool", content: "x" }, system] }));
		expect(hashOf({ prompt: "Once upon a time" }, "completions")).not.toBe(hashOf({ prompt: "Twice" }, "completions"));
		expect(hashOf({ input: "x" })).toBe(0);
	});
});
