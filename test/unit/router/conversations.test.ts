import { expect, test } from "vitest";
import { Conversations } from "../../../src/shared/router/conversations.ts";

const T0 = 1_700_000_000;

test("a conversation is remembered by its last turn, for as long as a cache may hold it", () => {
	const conversations = new Conversations();
	conversations.remember("t 1", "a", { replica: "p/a", tokens: 100 }, T0);
	conversations.remember("t 1", "b", { replica: "q/a", tokens: 200 }, T0 + 60);
	expect(conversations.last("t 1", T0 + 600)).toEqual({ model: "b", held: { replica: "q/a", tokens: 200 } });
	expect(conversations.last("t 1", T0 + 661)).toBeNull();
	expect(conversations.last("u 1", T0 + 60)).toBeNull();
});

test("many conversations take bounded room, and those of late are kept", () => {
	const conversations = new Conversations();
	for (let i = 0; i < 100_000; i++) conversations.remember(`t ${i}`, "a", { replica: "p/a", tokens: i }, T0);
	expect(conversations.last("t 0", T0)).toBeNull();
	for (let i = 98_000; i < 100_000; i++) expect(conversations.last(`t ${i}`, T0)?.held.tokens).toBe(i);
});
