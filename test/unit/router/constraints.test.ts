import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	brokenBy,
	contextShort,
	unmet,
	type Contender,
	type Demands,
	type Rejected,
} from "../../../src/shared/router/constraints.ts";
import { bitOf, countRules, RULES, rulesIn, type Rule } from "../../../src/shared/router/rules.ts";
import type { CatalogModel } from "../../../src/shared/catalog/snapshot.ts";
import { modelWith, POLICY } from "./support.ts";

const DEMANDS: Demands = {
	endpoint: "chat",
	needs: ["chat"],
	promptBytes: 4_000,
	longestPromptBytes: 4_000,
	policy: POLICY,
	licences: null,
	usdMax: null,
};

function contender(model: CatalogModel, nano = 0): Contender {
	return { model, choiceTokensMax: 1_000, bytesPerToken: 4, worstAt: () => nano };
}

function rules(model: CatalogModel, demands: Partial<Demands> = {}, nano = 0): Rule[] {
	return rulesIn(brokenBy(contender(model, nano), { ...DEMANDS, ...demands }));
}

describe("what a model breaks", () => {
	const own = modelWith("own", [{ region: "eu", privacy: "own" }], { licence: "MIT" });
	const short = modelWith("short", [{}], { context_length: 1_900 });
	const embedding = modelWith("embedding", [{}], { capabilities: ["embeddings"] });

	test.each<[string, Rule[], CatalogModel, Partial<Demands>, number?]>([
		["nothing", [], own, {}],
		["no pool", ["no_pool"], modelWith("none", []), {}],
		["another endpoint", ["endpoint"], embedding, {}],
		["a capability", ["capability"], own, { needs: ["chat", "vision"] }],
		["the context", ["context"], short, { promptBytes: 8_000, longestPromptBytes: 8_000 }],
		["the context that is required", ["context_length"], short, { policy: { ...POLICY, contextMin: 2_000 } }],
		["the region", ["region"], own, { policy: { ...POLICY, regions: ["us"] } }],
		["the zone", ["privacy"], short, { policy: { ...POLICY, privacy: "contract" } }],
		["no zone", [], own, { policy: { ...POLICY, privacy: "own" } }],
		["the licence", ["licence"], own, { licences: ["Apache-2.0"] }],
		["a licence that is not known", ["licence"], short, { licences: ["MIT"] }],
		["what it may cost", ["max_usd"], own, { usdMax: 0.001 }, 1_000_001],
		["not what it may just cost", [], own, { usdMax: 0.001 }, 1_000_000],
		["several", ["capability", "licence"], own, { needs: ["vision"], licences: ["BSD"] }],
	])("%s", (_, expected, model, demands, nano) => {
		expect(rules(model, demands, nano)).toEqual(expected);
	});

	test("is what the pool breaks that breaks the fewest", () => {
		const pools = [{ region: "eu", capabilities: ["chat" as const] }, { region: "us" }];
		const demands = { needs: ["chat" as const, "tools" as const], policy: { ...POLICY, regions: ["asia"] } };
		expect(rules(modelWith("m", pools), demands)).toEqual(["region"]);
		expect(rules(modelWith("m", pools), { policy: { ...POLICY, regions: ["eu"] } })).toEqual([]);
	});
});

describe("a constraint that nothing meets", () => {
	test("says of a context what is needed, what there is, and where", () => {
		const demands: Demands = {
			...DEMANDS,
			endpoint: "completions",
			needs: ["completions"],
			promptBytes: 80_000,
			longestPromptBytes: 80_000,
		};
		const all = [16_000, 8_000].map((length): Rejected => {
			const one = contender(modelWith(`m${length}`, [{}], { context_length: length, capabilities: ["completions"] }));
			const broken = brokenBy(one, demands);
			return { model: one.model.id, rules: broken, context: contextShort(one, demands, broken)! };
		});
		expect(unmet(all)).toMatchObject({
			param: "prompt",
			details: { constraint: "context", needed: 21_000, longest: 16_000 },
		});
		expect(unmet(all).message).toContain("20000 for the prompt, 1000 for the answer");
		expect(contextShort(contender(modelWith("m", [{}])), DEMANDS, bitOf("licence"))).toBeUndefined();
	});

	const set = fc.uniqueArray(fc.constantFrom(...RULES), { minLength: 1, maxLength: 4 });
	const rejected = fc.array(set, { minLength: 1, maxLength: 8 }).map((sets) =>
		sets.map((each, index): Rejected => ({
			model: `m${index}`,
			rules: each.reduce((bits, rule) => bits | bitOf(rule), 0),
		})),
	);

	test("is the one without which the most models are left, where one alone is to blame", () => {
		fc.assert(
			fc.property(rejected, (all) => {
				const error = unmet(all);
				expect(error.code).toBe("constraint_unmet");
				const left = (rule: Rule): number => all.filter(({ rules }) => (rules & ~bitOf(rule)) === 0).length;
				const most = Math.max(...RULES.map(left));
				const named = error.details!["constraint"] as Rule;
				if (most > 0) expect(left(named)).toBe(most);
				else expect(all.map(({ rules }) => countRules(rules))).toContain((error.details!["constraints"] as []).length);
				expect(error.message).toContain(named);
				expect(Object.keys(error.details!["models"] as object)).toEqual(all.map(({ model }) => model));
			}),
		);
	});
});

test("a set of rules is the rules that were put in", () => {
	fc.assert(
		fc.property(fc.uniqueArray(fc.constantFrom(...RULES)), (some) => {
			const bits = some.reduce((sum, rule) => sum | bitOf(rule), 0);
			expect(new Set(rulesIn(bits))).toEqual(new Set(some));
			expect(countRules(bits)).toBe(some.length);
		}),
	);
});
