import type { Usd } from "../units.ts";

/** An answer, or a refusal, that costs nothing. */
export interface Rule {
	readonly id: string;
	/** Texts that the prompt must hold, all of them; letters' case and runs of white space do not count. */
	readonly contains_all?: readonly string[] | undefined;
	/** Texts of which it must hold one. */
	readonly contains_any?: readonly string[] | undefined;
	/** Words of which it must hold one, as whole words. */
	readonly words?: readonly string[] | undefined;
	/** The prompt must be one of these texts, punctuation at its end aside. */
	readonly equals?: readonly string[] | undefined;
	readonly answer?: string | undefined;
	readonly refusal?: string | undefined;
	/** E[quality] of the answer, as the operator judges it. Default 1. */
	readonly quality?: number | undefined;
}

/** Stands in place of a model where a rule has answered. */
export const RULE_MODEL = "isobar-rule";

/** How much of the prompt rules look at: as much as the estimate does. */
const JUDGED_CHARS_MAX = 16 * 1024;

/** The first rule that the prompt meets. `last`: the last message of the user. No regular expressions: what is looked for is found
 *  in one pass each, whatever the prompt is. */
export function matchingRule(rules: readonly Rule[], last: string): Rule | null {
	const prompt = plain(last.slice(0, JUDGED_CHARS_MAX));
	let words: ReadonlySet<string> | undefined;
	const wordsOf = (): ReadonlySet<string> => (words ??= new Set(prompt.split(/[^\p{L}\p{N}_'-]+/u)));
	return rules.find((rule) => meets(rule, prompt, wordsOf)) ?? null;
}

function meets(rule: Rule, prompt: string, words: () => ReadonlySet<string>): boolean {
	const { contains_all: all, contains_any: any, words: whole, equals } = rule;
	if (!all && !any && !whole && !equals) return false;
	if (all && !all.every((text) => prompt.includes(plain(text)))) return false;
	if (any && !any.some((text) => prompt.includes(plain(text)))) return false;
	if (whole && !whole.some((word) => words().has(plain(word)))) return false;
	return !equals || equals.some((text) => ending(plain(text)) === ending(prompt));
}

function plain(text: string): string {
	return text
		.toLowerCase()
		.split(/\s+/)
		.filter((word) => word !== "")
		.join(" ");
}

function ending(text: string): string {
	let end = text.length;
	while (end > 0 && ".!?… ".includes(text[end - 1]!)) end--;
	return text.slice(0, end);
}

/** Whether the rule is chosen before the best model: its price is zero, what it may lose in quality is not. `score`: the chosen
 *  model's, in USD; `bestQuality`: the greatest among the candidates. */
export function isCannedChosen(rule: Rule, score: Usd, bestQuality: number, valueOfQuality: Usd): boolean {
	return cannedScore(rule, bestQuality, valueOfQuality) <= score;
}

export function cannedScore({ quality = 1 }: Rule, bestQuality: number, valueOfQuality: Usd): Usd {
	return valueOfQuality * Math.max(0, bestQuality - quality);
}
