import { capabilityBits, type CatalogModel, type CatalogPool } from "../catalog/snapshot.ts";
import { isobarError, type IsobarError } from "../http/errors.ts";
import { barredBy } from "../scheduler/barred.ts";
import { contextNeed } from "../scheduler/context-need.ts";
import { PROMPT_MEMBER, type AssignPolicy, type Endpoint } from "../scheduler/messages.ts";
import type { NanoUsd, Tokens, Usd } from "../units.ts";
import type { Capability } from "../catalog/schema.ts";
import { bitOf, countRules, rulesIn, type Rule, type RuleSet } from "./rules.ts";

/** The estimate of the prompt may be this much too high before a pool is ruled out for its context, as in scheduler/decide.ts. */
const CONTEXT_DOUBT = 0.85;

/** What a request demands of every pool, whoever serves it. */
export interface Demands {
	readonly endpoint: Endpoint;
	/** The request's own needs and those that it requires. */
	readonly needs: readonly Capability[];
	readonly promptBytes: number;
	readonly longestPromptBytes: number;
	readonly policy: Pick<AssignPolicy, "regions" | "privacy" | "contextMin">;
	/** Null: any. */
	readonly licences: readonly string[] | null;
	readonly usdMax: Usd | null;
}

/** A model, and what this request would be there. */
export interface Contender {
	readonly model: CatalogModel;
	readonly choiceTokensMax: Tokens;
	readonly bytesPerToken: number;
	/** The most that it could cost there, at each of its pools. */
	readonly worstAt: (pool: CatalogPool) => NanoUsd;
}

/** A model that does not answer, and the rules that it breaks: at the pool that breaks the fewest. */
export interface Rejected {
	readonly model: string;
	readonly rules: RuleSet;
	/** Where its context is too short. */
	readonly context?: ContextShort;
}

/** What the request needs of a context, and the longest that a model has. */
export interface ContextShort {
	/** Where the prompt stands in the body. */
	readonly member: string;
	readonly prompt: Tokens;
	readonly answer: Tokens;
	readonly longest: Tokens;
}

/** The rules that a model breaks at its best pool; 0 where some pool of it will do. */
export function brokenBy(contender: Contender, demands: Demands): RuleSet {
	const { model } = contender;
	const { licences } = demands;
	const own = licences && !licences.includes(model.model.licence ?? "") ? bitOf("licence") : 0;
	if (model.pools.length === 0) return own | bitOf("no_pool");
	let best: RuleSet | undefined;
	for (const pool of model.pools) {
		const broken = own | brokenAt(pool, contender, demands);
		if (broken === 0) return 0;
		if (best === undefined || countRules(broken) < countRules(best)) best = broken;
	}
	return best ?? 0;
}

/** Whether a worst case is more than a bound. */
export function isOver(worst: NanoUsd, bound: Usd): boolean {
	return worst > bound * 1e9;
}

function brokenAt(pool: CatalogPool, contender: Contender, demands: Demands): RuleSet {
	const { choiceTokensMax, bytesPerToken, worstAt } = contender;
	const { endpoint, needs, policy, usdMax } = demands;
	const lacks = (capabilities: readonly Capability[]): boolean => {
		const bits = capabilityBits(capabilities);
		return (pool.capabilityBits & bits) !== bits;
	};
	const context = contextNeed({ ...demands, choiceTokensMax }, Math.ceil(demands.promptBytes / bytesPerToken));
	const fits = context.prompt * CONTEXT_DOUBT + context.answer <= pool.contextLength;
	const { regions, privacy, contextMin } = policy;
	const isBarred = (one: Partial<Demands["policy"]>): boolean => barredBy({ regions: null, ...one }, pool) !== null;
	return (
		(lacks([endpoint]) ? bitOf("endpoint") : 0) |
		(lacks(needs.filter((need) => need !== endpoint)) ? bitOf("capability") : 0) |
		(fits ? 0 : bitOf("context")) |
		(isBarred({ regions }) ? bitOf("region") : 0) |
		(privacy !== undefined && isBarred({ privacy }) ? bitOf("privacy") : 0) |
		(contextMin !== undefined && isBarred({ contextMin }) ? bitOf("context_length") : 0) |
		(usdMax !== null && isOver(worstAt(pool), usdMax) ? bitOf("max_usd") : 0)
	);
}

/** What a model's context is too short for; undefined where it is none of the rules that it breaks. */
export function contextShort(
	{ model, choiceTokensMax, bytesPerToken }: Contender,
	demands: Demands,
	rules: RuleSet,
): ContextShort | undefined {
	if ((rules & bitOf("context")) === 0) return undefined;
	const need = contextNeed({ ...demands, choiceTokensMax }, Math.ceil(demands.promptBytes / bytesPerToken));
	return { member: PROMPT_MEMBER[demands.endpoint], ...need, longest: model.longestContext };
}

/** Where the client finds what a rule rests on. */
const PARAMS: Partial<Record<Rule, string>> = {
	endpoint: "model",
	no_pool: "model",
	not_allowed: "model",
	capability: "model",
	context_length: "isobar.route.require.context_length",
	privacy: "isobar.route.require.privacy",
	licence: "isobar.route.require.licences",
	region: "isobar.route.require.regions",
	max_usd: "isobar.route.max_usd",
	price_ceiling: "isobar.route.require.price_ceiling_usd",
	max_seconds: "isobar.route.max_seconds",
	quality_floor: "isobar.route.quality_floor",
};

/** Nobody can answer: names the rule without which the most models could, or, where no single one is to blame, those that the nearest
 *  model breaks. */
export function unmet(rejected: readonly Rejected[]): IsobarError {
	const alone = new Map<RuleSet, number>();
	for (const { rules } of rejected) if (countRules(rules) === 1) alone.set(rules, (alone.get(rules) ?? 0) + 1);
	const most = Math.max(0, ...alone.values());
	const single = [...alone].find(([, count]) => count === most)?.[0];
	const nearest = rejected.toSorted((a, b) => countRules(a.rules) - countRules(b.rules))[0]?.rules ?? 0;
	const rules = rulesIn(single ?? nearest);
	const [rule] = rules;
	const without =
		single === undefined
			? `no model could answer without dropping several: ${rules.join(", ")}`
			: `without it ${most === 1 ? "one model" : `${most} models`} could answer`;
	const short = rule === "context" ? shortest(rejected) : undefined;
	const param = short?.member ?? (rule && PARAMS[rule]);
	const needed = short
		? `: the request needs about ${short.prompt + short.answer} tokens (${short.prompt} for the prompt, ${short.answer} for the answer), and the longest context is ${short.longest}`
		: "";
	return isobarError("constraint_unmet", `No model meets the constraint ${rule ?? "models"}${needed}; ${without}.`, {
		...(param !== undefined && { param }),
		details: {
			...(short && { needed: short.prompt + short.answer, longest: short.longest }),
			constraint: rule ?? null,
			constraints: rules,
			models: Object.fromEntries(rejected.map((each) => [each.model, rulesIn(each.rules)])),
		},
	});
}

/** Of the model that is the least too short. */
function shortest(rejected: readonly Rejected[]): ContextShort | undefined {
	const lack = ({ prompt, answer, longest }: ContextShort): number => prompt + answer - longest;
	return rejected.flatMap(({ context }) => context ?? []).sort((a, b) => lack(a) - lack(b))[0];
}
