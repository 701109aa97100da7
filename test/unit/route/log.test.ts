import { describe, expect, test } from "vitest";
import { whyRouted } from "../../../functions/route/log.ts";
import type { RequestRecord } from "../../../src/shared/ledger/messages.ts";
import type { RouteExplanation } from "../../../src/shared/router/explanation.ts";

const CANDIDATES = [
	{ model: "small", quality: 0.7, usd: 0.0001 },
	{ model: "strong", quality: 0.9, usd: 0.002 },
];

function why(record: Partial<RequestRecord>, route: Partial<RouteExplanation> = {}): string {
	const explained = {
		mode: "route",
		candidates: CANDIDATES,
		chosen: "strong",
		reason: "best",
		in_domain: true,
		...route,
	};
	return whyRouted({ model: "strong", ...record } as RequestRecord, explained as unknown as RouteExplanation);
}

describe("how a model was found, in the log", () => {
	test("is its rank and what was expected of it, or who refused before it", () => {
		expect(why({})).toBe("best of 2: quality 0.90, $0.0020");
		expect(why({ model: "small" })).toBe("strong refused, best of 2");
		expect(why({}, { in_domain: false })).toBe("best of 2: the prompt is unlike all that the weights know");
		expect(why({}, { unjudged: "no_card" })).toBe("best of 2: no_card");
	});

	test("of one of a cascade's requests is what it was asked for: nobody has refused before it", () => {
		const parent = "req_1";
		expect(why({ model: "small", parent, stage: "cheap" }, { mode: "cascade" })).toBe(
			"cascade's cheap: quality 0.70, $0.00010",
		);
		expect(why({ model: "small", parent, stage: "voter" }, { mode: "vote", in_domain: false })).toBe(
			"vote's voter: the prompt is unlike all that the weights know",
		);
	});

	test("of what was answered without a decision of its own is where the answer came from", () => {
		expect(why({ model: "small", calls: ["a"] }, { mode: "cascade" })).toBe("cascade: one call");
		expect(why({ calls: ["a", "b"] }, { mode: "vote" })).toBe("vote: 2 calls");
		expect(why({ model: "small", cache: "hit" })).toBe("cache: hit");
		expect(why({ model: "isobar-rule", rule: "greet" })).toBe("rule greet");
	});
});
