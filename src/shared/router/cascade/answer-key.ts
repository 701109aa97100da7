import type { Answer, AnswerChoice } from "./answer.ts";
import { parse } from "./read-answer.ts";

/** What an answer comes to, so that two answers can be compared: equal keys say the same. */
export interface AnswerKey {
	readonly kind: AnswerKind;
	readonly key: string;
}

/** The rarer it is that two wrong answers coincide, the more agreement tells: letters often do, numbers hardly. */
export type AnswerKind = "number" | "letter" | "json" | "text";

/** Longer answers without a mark of what they come to are prose, which no two models write alike. */
const SHORT_CHARS_MAX = 80;
const VALUE_CHARS_MAX = 320;
/** Code and JSON are compared whole, up to here. */
const WHOLE_CHARS_MAX = 16_384;

/** Of several choices, what most of them come to; null where an answer cannot be compared. */
export function answerKey(answer: Answer): AnswerKey | null {
	const counts = new Map<string, { readonly key: AnswerKey; count: number }>();
	for (const choice of answer.choices) {
		const key = keyOfChoice(choice);
		if (!key) return null;
		const counted = counts.get(key.key) ?? { key, count: 0 };
		counted.count++;
		counts.set(key.key, counted);
	}
	const [most] = [...counts.values()].sort((a, b) => b.count - a.count);
	return most?.key ?? null;
}

function keyOfChoice({ text, toolCalls }: AnswerChoice): AnswerKey | null {
	if (toolCalls.length === 0) return keyOfText(text);
	const calls = toolCalls.map((call) => [call.name, parse(call.arguments || "{}") ?? call.arguments]);
	return { kind: "json", key: canonicalJson(calls) };
}

/** Of a whole answer: JSON as such; else what a mark says that it comes to, from the last one on; else its last line, if that
 *  is short; else its code. */
export function keyOfText(answer: string): AnswerKey | null {
	const text = answer.trim();
	const whole = jsonKey(unfenced(text));
	if (whole) return whole;
	const marked = markedAnswer(text);
	if (marked !== null) return keyOfValue(marked);
	const code = lastCode(text);
	if (code !== null) return code;
	const last = text.slice(text.lastIndexOf("\n") + 1).trim();
	return last.length <= SHORT_CHARS_MAX ? keyOfValue(last) : null;
}

function jsonKey(text: string): AnswerKey | null {
	if (!/^[{[]/.test(text) || text.length > WHOLE_CHARS_MAX) return null;
	const value = parse(text);
	if (value === undefined) return null;
	if (typeof value === "object" && value !== null && "answer" in value && isScalar(value.answer)) {
		return keyOfValue(String(value.answer));
	}
	return { kind: "json", key: canonicalJson(value) };
}

function isScalar(value: unknown): value is string | number | boolean {
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

const MARKS = [
	/\banswer\b(?:\s+is|\s*:)\s*:?\s*/gi,
	// As GSM8K's references end.
	/^#### */gm,
] as const;

/** What stands after the last mark. */
function markedAnswer(text: string): string | null {
	const tail = text.slice(-WHOLE_CHARS_MAX);
	const boxed = lastBoxed(tail);
	if (boxed !== null) return boxed;
	let from = -1;
	for (const mark of MARKS)
		for (const found of tail.matchAll(mark)) from = Math.max(from, found.index + found[0].length);
	if (from < 0) return null;
	const line = tail.slice(from).trimStart().split("\n", 1)[0]!.trim();
	return line === "" || line.length > VALUE_CHARS_MAX ? null : line;
}

/** What the last `\boxed{...}` holds, braces inside it included. */
function lastBoxed(text: string): string | null {
	const at = text.lastIndexOf("\\boxed{");
	if (at < 0) return null;
	const from = at + "\\boxed{".length;
	for (let end = from, depth = 1; end < text.length; end++) {
		if (text[end] === "{") depth++;
		else if (text[end] === "}" && --depth === 0) return text.slice(from, end);
	}
	return null;
}

function unfenced(text: string): string {
	const lines = text.split("\n");
	const isFenced = lines.length > 2 && lines[0]!.startsWith("```") && lines.at(-1)!.trim() === "```";
	return isFenced ? lines.slice(1, -1).join("\n").trim() : text;
}

/** The last fenced block, its white space aside. */
function lastCode(text: string): AnswerKey | null {
	const end = text.lastIndexOf("\n```");
	const start = end < 0 ? -1 : text.lastIndexOf("```", end - 1);
	if (start < 0) return null;
	const code = text.slice(text.indexOf("\n", start) + 1, end);
	if (code.length > WHOLE_CHARS_MAX) return null;
	return jsonKey(code.trim()) ?? { kind: "text", key: code.replaceAll(/\s+/g, " ").trim() };
}

/** Of an answer's value as such: `**(B)** because`, `$1,234.00`, `\frac{1}{2}`, `'abc'`. */
export function keyOfValue(value: string): AnswerKey | null {
	if (value.length > VALUE_CHARS_MAX) return null;
	const plain = value
		.replaceAll(/\*\*|__|`/g, "")
		.replaceAll(/\\(?:text|mathrm|mathbf|textbf)\{([^{}]*)\}/g, "$1")
		.replaceAll(/\\[,;:! ]|\\left|\\right|\\\$/g, "")
		.trim();
	if (plain === "") return null;
	const letter = /^\(?([A-Za-z])(?:\)|\.(?!\w)|:|$)/.exec(plain);
	if (letter) return { kind: "letter", key: letter[1]!.toUpperCase() };
	const number = numberIn(plain);
	if (number !== null) return { kind: "number", key: number };
	const key = plain
		.toLowerCase()
		.replaceAll(/["'“”‘’]/g, "")
		.replaceAll(/\s+/g, "")
		.replace(/[.!,;]+$/, "");
	return key === "" ? null : { kind: "text", key };
}

const NUMBER = /^(?:[a-z]\s*=\s*)?\$?\s*([-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?)\s*(?:%|°|[a-z][a-z .²³/]*)?\.?$/i;
const FRACTION = /^([-+]?)\\[dt]?frac\{([\d.]+)\}\{([\d.]+)\}$|^([-+]?)([\d.]+)\s*\/\s*([\d.]+)$/;

/** In its shortest form, units and currency aside; null where it is no one number. */
function numberIn(plain: string): string | null {
	const fraction = FRACTION.exec(plain.replace(/^\$|\$$|\.$/g, ""));
	if (fraction) {
		const [, s1, n1, d1, s2, n2, d2] = fraction;
		return shortest((Number(n1 ?? n2) / Number(d1 ?? d2)) * ((s1 ?? s2) === "-" ? -1 : 1));
	}
	const found = NUMBER.exec(plain.replace(/^\$(.*)\$$/, "$1"));
	return found ? shortest(Number(found[1]!.replaceAll(",", ""))) : null;
}

function shortest(value: number): string | null {
	return Number.isFinite(value) ? String(Number(value.toPrecision(12)) + 0) : null;
}

/** Members by name, so that order does not matter. */
export function canonicalJson(value: unknown): string {
	return JSON.stringify(value, (_, each: unknown) =>
		typeof each === "object" && each !== null && !Array.isArray(each)
			? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
			: each,
	);
}
