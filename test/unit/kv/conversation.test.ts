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

	test("is that of the last message where the user has none, of the beginning of a text, and 0 of nothing", () => {
		expect(hashOf({ messages: [system] })).toBe(hashOf({ messages: [{ role: "tool", content: "x" }, system] }));
		expect(hashOf({ prompt: "Once upon a time" }, "completions")).not.toBe(hashOf({ prompt: "Twice" }, "completions"));
		expect(hashOf({ input: "x" })).toBe(0);
	});
});
