import { expect, test } from "vitest";
import type { RequestRecord } from "../../../src/shared/ledger/messages.ts";
import { routedAnswer } from "../../../src/shared/router/routed-answer.ts";

const route = {
	router: "default",
	prompt: "0123456789abcdef",
	domains: [{ name: "math", p: 1 }],
	chosen: "a",
	explored: true,
	propensity: 0.01,
	shadow: "req_shadow",
	candidates: [{ model: "a", card: 0.5 }],
};

function answerOf(part: Partial<RequestRecord>) {
	const record = { id: "req_1", key: "key_a", created: 1, model: "a", status: 200, outcome: "ok", error: null };
	const found = routedAnswer({ ...record, route: JSON.stringify(route), ...part } as RequestRecord);
	if (!found.ok) throw new Error(found.error);
	return found.value.answer;
}

test("a model that was drawn and answered is evidence, one that answered in its place is none", () => {
	expect(answerOf({})).toMatchObject({ explored: true, propensity: 0.01, shadowed: true, card: 0.5 });
	expect(answerOf({ model: "b" })).toMatchObject({ explored: false, propensity: 1, card: null });
});

test("nor is an answer for which no model was asked: it would count as often as it is given", () => {
	const none = { explored: false, propensity: 1, shadowed: false };
	expect(answerOf({ cache: "hit" })).toMatchObject(none);
	expect(answerOf({ cache: "joined" })).toMatchObject(none);
});

test("a rule's answer is no model's, also where it was kept", () => {
	expect(() => answerOf({ model: "isobar-rule", rule: "hello" })).toThrow("request_not_routed");
	expect(() => answerOf({ model: "isobar-rule", cache: "hit" })).toThrow("request_not_routed");
});
