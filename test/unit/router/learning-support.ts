import * as fc from "fast-check";
import type { RouterSetup } from "../../../src/shared/router/online-view.ts";
import type { Outcome } from "../../../src/shared/router/outcome.ts";

export const NOW = 1_800_000_000;
export const DAY = 86_400;

export const setup = (models: readonly string[], part: Partial<RouterSetup> = {}): RouterSetup => ({
	catalogVersion: 1,
	models: models.map((id) => ({ id, version: "1" })),
	incumbent: models[0] ?? null,
	margin: 0,
	...part,
});

let requests = 0;

/** A score of a deterministic choice, unless it says otherwise. */
export function outcome(part: Partial<Outcome> = {}): Outcome {
	return {
		request: `req_${requests++}`,
		at: NOW,
		key: "key_a",
		model: "a",
		prompt: "0123456789abcdef",
		domains: [{ name: "math", p: 1 }],
		card: null,
		explored: false,
		propensity: 1,
		shadowOf: null,
		shadowed: false,
		source: "user",
		score: 1,
		over: null,
		...part,
	};
}

export const explored = (part: Partial<Outcome> = {}): Outcome =>
	outcome({ explored: true, propensity: 0.01, ...part });

/** The two outcomes of a shadow pair. */
export function pair(first: Partial<Outcome>, second: Partial<Outcome>): [Outcome, Outcome] {
	const one = outcome({ shadowed: true, ...first });
	return [one, outcome({ shadowOf: one.request, domains: one.domains, prompt: one.prompt, ...second })];
}

const MODELS = ["a", "b", "c"];
const DOMAINS = ["math", "law", "code"];

const part = fc.record({
	model: fc.constantFrom(...MODELS),
	key: fc.constantFrom("key_a", "key_b", "key_c"),
	score: fc.double({ min: 0, max: 1, noNaN: true }),
	at: fc.integer({ min: NOW - 90 * DAY, max: NOW }),
	source: fc.constantFrom("user", "judge"),
	card: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null }),
	domains: fc
		.tuple(fc.constantFrom(...DOMAINS), fc.double({ min: 0.5, max: 1, noNaN: true }))
		.map(([name, p]) => [{ name, p }]),
}) satisfies fc.Arbitrary<Partial<Outcome>>;

export const anyPlain = part.map((each) => outcome(each));
export const anyExplored = fc
	.tuple(part, fc.double({ min: 1e-6, max: 0.05, noNaN: true }))
	.map(([each, propensity]) => explored({ ...each, propensity }));
export const anyPair = fc
	.tuple(part, part)
	.filter(([a, b]) => a.model !== b.model)
	.map(([a, b]) => pair(a, { ...b, propensity: 0.5 }));
export const anyPreference = fc
	.tuple(part, fc.constantFrom(...MODELS))
	.map(([each, model]) => outcome({ ...each, score: 1, over: { request: "req_x", model } }));
export const anyOutcomes = fc
	.array(
		fc.oneof(
			anyPlain.map((o) => [o]),
			anyExplored.map((o) => [o]),
			anyPair,
			anyPreference.map((o) => [o]),
		),
		{ maxLength: 40 },
	)
	.map((lists) => lists.flat());
