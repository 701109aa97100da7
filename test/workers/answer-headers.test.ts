import { describe, expect, test } from "vitest";
import type { Admitted } from "../../functions/route/admit.ts";
import { answerHeaders } from "../../functions/route/answer-headers.ts";
import type { Choice } from "../../functions/route/choice.ts";
import { connectionNames } from "../../functions/route/connection-names.ts";

const admitted = { id: "req_1", model: { id: "m" } } as Admitted;
const replica = { replica: "p/a", pool: "p", expectedTtft: 1, expectedSeconds: 1, expectedUsd: 1 };
const choice = { replica, decidedBy: "scheduler" } as unknown as Choice;
const answer = (pool: Record<string, string>) => new Headers(answerHeaders(admitted, choice, 1, new Headers(pool)));

describe("of a pool's headers", () => {
	test("what concerns the operator's account does not reach a tenant", () => {
		const headers = answer({
			"openai-organization": "org-operator",
			"openai-project": "proj",
			"x-ratelimit-limit-requests": "5000",
			"x-ratelimit-remaining-input-images": "9",
			"anthropic-ratelimit-tokens-remaining": "1",
			"anthropic-organization-id": "o",
			"openai-processing-ms": "12",
		});
		const names = [...headers.keys()].filter((name) => !name.startsWith("x-isobar-"));
		expect(names).toEqual(["openai-processing-ms"]);
	});

	test("those that Connection names end here", () => {
		const headers = answer({ connection: "close, X-Hop", "x-hop": "1", "x-kept": "2" });
		expect(headers.has("x-hop")).toBe(false);
		expect(headers.get("x-kept")).toBe("2");
	});
});

test("what is no header name is not taken for one", () => {
	expect(connectionNames(new Headers({ connection: "a, b c,, d/e , f" }))).toEqual(["a", "f"]);
	expect(connectionNames(new Headers())).toEqual([]);
});
