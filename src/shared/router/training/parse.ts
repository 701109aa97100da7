import { err, ok, type Result } from "../../result.ts";
import { cardName } from "./card-name.ts";
import type { Outcome } from "./outcome.ts";

/** What is wrong with a line of outcomes, and where. Lines count from 1. */
export interface OutcomeError {
	readonly code:
		| "invalid_json"
		| "field_missing"
		| "field_invalid"
		| "score_out_of_range"
		| "model_unknown"
		| "model_twice"
		| "too_large"
		| "empty";
	readonly file: string;
	readonly line: number;
	readonly message: string;
}

export interface ParseOptions {
	/** Of the file: the pool. */
	readonly pool: string;
	readonly file: string;
	/** Card names that may occur; null: any. */
	readonly models: ReadonlySet<string> | null;
}

export const PROMPT_CHARS_MAX = 1_000_000;
export const MODELS_MAX = 256;
/** Judges of these sets give marks up to so much. */
const MARKS_MAX: Readonly<Record<string, number>> = { mt_bench: 10 };
/** Characters of an answer per token: English text by usual tokenisers. */
export const CHARS_PER_TOKEN = 4;
const NUMBER_MAX = 1e9;

/** Outcomes of a file of JSON lines: `prompt` and `scores` by model from 0 to 1, optionally `key` (or `id`), `dataset`, `domain`,
 *  `out_chars` and `cost_usd` by model. Empty lines are passed over. */
export function parseOutcomes(text: string, options: ParseOptions): Result<Outcome[], OutcomeError> {
	const outcomes: Outcome[] = [];
	const lines = text.split("\n");
	for (let i = 0; i < lines.length; i++) {
		if (lines[i]!.trim() === "") continue;
		const outcome = parseLine(lines[i]!, i + 1, options);
		if (!outcome.ok) return err({ ...outcome.error, file: options.file, line: i + 1 });
		outcomes.push(outcome.value);
	}
	if (outcomes.length === 0)
		return err({ code: "empty", file: options.file, line: lines.length, message: "There is no outcome in it." });
	return ok(outcomes);
}

type Fault = Pick<OutcomeError, "code" | "message">;

function parseLine(text: string, line: number, { pool, models }: ParseOptions): Result<Outcome, Fault> {
	let row: unknown;
	try {
		row = JSON.parse(text);
	} catch {
		return fault("invalid_json", "This is not JSON.");
	}
	if (!isRecord(row)) return fault("field_invalid", "A line must be an object.");
	const { prompt, scores, dataset = pool, domain = dataset, key = row.id ?? `${pool}:${line}` } = row;
	if (prompt === undefined) return fault("field_missing", "`prompt` is missing.");
	if (scores === undefined) return fault("field_missing", "`scores` is missing.");
	if (typeof prompt !== "string") return fault("field_invalid", "`prompt` must be a string.");
	if (prompt.length > PROMPT_CHARS_MAX)
		return fault("too_large", `\`prompt\` has ${prompt.length} characters; the limit is ${PROMPT_CHARS_MAX}.`);
	const named = row.key === undefined && row.id !== undefined ? { id: key } : { key };
	for (const [name, value] of Object.entries({ dataset, domain, ...named })) {
		if (typeof value !== "string" || value === "" || value.length > 128)
			return fault("field_invalid", `\`${name}\` must be a string of 1 to 128 characters.`);
	}
	const measured = scoresOf(scores, MARKS_MAX[dataset as string] ?? 1, models);
	if (!measured.ok) return measured;
	const chars = numbersOf("out_chars", row.out_chars);
	if (!chars.ok) return chars;
	const usd = numbersOf("cost_usd", row.cost_usd);
	if (!usd.ok) return usd;
	return ok({
		key: key as string,
		prompt,
		domain: dataset === domain ? (domain as string) : `${dataset as string}/${domain as string}`,
		pool,
		scores: measured.value,
		outputTokens: new Map([...chars.value].map(([model, count]) => [model, count / CHARS_PER_TOKEN])),
		usd: usd.value,
	});
}

function scoresOf(value: unknown, top: number, models: ReadonlySet<string> | null): Result<Map<string, number>, Fault> {
	if (!isRecord(value)) return fault("field_invalid", "`scores` must be an object of numbers by model.");
	const entries = Object.entries(value);
	if (entries.length === 0) return fault("field_missing", "`scores` names no model.");
	if (entries.length > MODELS_MAX)
		return fault("too_large", `\`scores\` names ${entries.length} models; the limit is ${MODELS_MAX}.`);
	const scores = new Map<string, number>();
	for (const [name, score] of entries) {
		const model = cardName(name);
		if (model === "") return fault("field_invalid", "`scores` has a model without a name.");
		if (models && !models.has(model))
			return fault("model_unknown", `\`scores\` names ${name}, which is none of the models asked for.`);
		if (scores.has(model)) return fault("model_twice", `\`scores\` names ${model} twice.`);
		if (typeof score !== "number" || !(score >= 0 && score <= top))
			return fault(
				"score_out_of_range",
				`The score of ${name}, ${JSON.stringify(score)}, is no number from 0 to ${top}.`,
			);
		scores.set(model, score / top);
	}
	return ok(scores);
}

/** Of `field`: a number by model that is not negative. */
function numbersOf(field: string, value: unknown): Result<Map<string, number>, Fault> {
	const numbers = new Map<string, number>();
	if (value === undefined) return ok(numbers);
	if (!isRecord(value)) return fault("field_invalid", `\`${field}\` must be an object of numbers by model.`);
	for (const [name, number] of Object.entries(value)) {
		if (typeof number !== "number" || !(number >= 0 && number <= NUMBER_MAX))
			return fault(
				"field_invalid",
				`\`${field}\` of ${name}, ${JSON.stringify(number)}, is no number from 0 to ${NUMBER_MAX}.`,
			);
		numbers.set(cardName(name), number);
	}
	return ok(numbers);
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fault(code: OutcomeError["code"], message: string): { readonly ok: false; readonly error: Fault } {
	return { ok: false, error: { code, message } };
}
