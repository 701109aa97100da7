import { expect, test } from "vitest";
import type { RouteCandidate, RouteExplanation } from "../../../src/shared/router/explanation.ts";
import { routeText } from "../../../src/shared/router/route-text.ts";

const names = Array.from({ length: 500 }, (_, index) => `${"some-model-of-a-long-name".padEnd(100, "-")}${index}`);
const terms = { quality: 0, risk: 0, money: 0, congestion: 0, time: 0, late: 0, harm: 0, size: 0 };

function explanation(count: number): RouteExplanation {
	const models = names.slice(0, count);
	const candidates = models.map((model, index): RouteCandidate => ({
		model,
		pool: `${model}-pool`,
		quality: Math.SQRT1_2,
		standard_error: 0.1 / 3,
		usd: 1e-5 / 3,
		seconds: 1 / 3,
		score: index / 3,
		terms: { ...terms, recency: 1 / 3, privacy: 1 / 3, verbosity: 1 / 3 },
		shadow: false,
		card: index / 500,
	}));
	return {
		router: "default",
		mode: "route",
		weights_version: null,
		prompt: "0123456789abcdef",
		in_domain: true,
		domains: [],
		chosen: models[Math.min(400, count - 1)]!,
		reason: "drawn",
		propensity: 0.001,
		explored: true,
		candidates,
		rejected: models.map((model) => ({ model, rule: "licence" })),
		pareto: models,
	};
}

test("as many models as a list may name are all kept", () => {
	const route = explanation(64);
	expect(JSON.parse(routeText(route))).toEqual(route);
});

test("of a whole catalog the best are kept, with the one that was drawn and the one that answered", () => {
	const route = explanation(500);
	const text = routeText(route, names[450]);
	// What a mail to the ledger allows for a record.
	expect(text.length).toBeLessThan(65_536);
	const kept = JSON.parse(text) as RouteExplanation;
	expect(kept.candidates.map(({ model }) => model)).toEqual([...names.slice(0, 64), names[400], names[450]]);
	expect(kept).toMatchObject({ chosen: names[400], propensity: 0.001 });
	expect(kept.rejected).toHaveLength(64);
});
