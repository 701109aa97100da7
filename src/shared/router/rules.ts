/** Why a model does not answer a routed request. The order is that in which a model that breaks several is said to break one. */
export const RULES = [
	/** The key may not use it. */
	"not_allowed",
	"no_pool",
	/** It does not do chats or completions. */
	"endpoint",
	/** The request needs a capability that it lacks: tools, JSON mode, images, ... */
	"capability",
	/** The prompt and its answer do not fit. */
	"context",
	/** `require.context_length` */
	"context_length",
	"region",
	"privacy",
	"licence",
	/** It could cost more than `max_usd`. */
	"max_usd",
	/** It is expected to cost more than the ceiling. */
	"price_ceiling",
	/** It is expected to take longer than `max_seconds`. */
	"max_seconds",
	/** Nothing is known of its quality, and others can answer. */
	"shadow",
	/** Its expected quality is below the floor. */
	"quality_floor",
] as const;
export type Rule = (typeof RULES)[number];

/** A set of rules, a bit each. */
export type RuleSet = number;

export function bitOf(rule: Rule): RuleSet {
	return 1 << RULES.indexOf(rule);
}

/** In the order of `RULES`. */
export function rulesIn(set: RuleSet): Rule[] {
	return RULES.filter((rule) => (set & bitOf(rule)) !== 0);
}

export function countRules(set: RuleSet): number {
	let count = 0;
	for (let rest = set; rest !== 0; rest &= rest - 1) count++;
	return count;
}
