import { didYouMean } from "../catalog/nearest-names.ts";
import { isobarError, type IsobarError } from "../http/errors.ts";
import { err, ok, type Result } from "../result.ts";

/** Ours: an operator's labelled prompts. */
export const LABELS_BYTES_MAX = 8 * 1024 * 1024;
export const LABEL_LINES_MAX = 4_000;

/** A prompt with how good the models' answers to it were. */
export interface LabelledPrompt {
	readonly prompt: string;
	/** By model id, 0 to 1. A model that is absent was not measured. */
	readonly scores: Readonly<Record<string, number>>;
}

/** Reads JSON lines `{"prompt": ..., "scores": {MODEL: 0..1}}`; further members are the operator's own and are passed over.
 *  `models` leads from every name that a model has to its id. Fails with `labels_invalid`, which names the line. */
export function readLabels(
	text: string,
	models: ReadonlyMap<string, string>,
): Result<readonly LabelledPrompt[], IsobarError> {
	const found: LabelledPrompt[] = [];
	let number = 0;
	for (const line of text.split("\n")) {
		number++;
		if (line.trim() === "") continue;
		if (found.length === LABEL_LINES_MAX) {
			return invalid(number, null, `there may be ${LABEL_LINES_MAX} labelled prompts at most`, {
				limit_lines: LABEL_LINES_MAX,
			});
		}
		const read = readLine(line, number, models);
		if (!read.ok) return read;
		found.push(read.value);
	}
	if (found.length === 0) return err(isobarError("labels_invalid", "There is no labelled prompt in the body"));
	return ok(found);
}

function readLine(
	line: string,
	number: number,
	models: ReadonlyMap<string, string>,
): Result<LabelledPrompt, IsobarError> {
	let value: unknown;
	try {
		value = JSON.parse(line);
	} catch (error) {
		return invalid(number, null, `not JSON: ${error instanceof Error ? error.message : "unreadable"}`);
	}
	if (typeof value !== "object" || value === null || Array.isArray(value))
		return invalid(number, null, "not an object");
	const prompt: unknown = Reflect.get(value, "prompt");
	if (typeof prompt !== "string" || prompt.trim() === "")
		return invalid(number, "prompt", "must be a text that is not empty");
	const scores: unknown = Reflect.get(value, "scores");
	if (typeof scores !== "object" || scores === null || Array.isArray(scores)) {
		return invalid(number, "scores", "must be an object of scores by model");
	}
	const read: Record<string, number> = {};
	for (const [name, score] of Object.entries(scores) as [string, unknown][]) {
		const at = `scores[${JSON.stringify(name.slice(0, 128))}]`;
		const model = models.get(name);
		if (model === undefined)
			return invalid(number, at, `the router has no such model${didYouMean(name, models.keys())}`);
		if (Object.hasOwn(read, model)) return invalid(number, at, `${model} is scored twice, under two of its names`);
		if (typeof score !== "number" || !(score >= 0 && score <= 1)) {
			return invalid(number, at, "must be a number from 0 to 1");
		}
		read[model] = score;
	}
	if (Object.keys(read).length === 0) return invalid(number, "scores", "scores no model");
	return ok({ prompt, scores: read });
}

function invalid(
	line: number,
	param: string | null,
	what: string,
	details: Readonly<Record<string, unknown>> = {},
): Result<never, IsobarError> {
	const where = param === null ? `line ${line}` : `line ${line}, ${param}`;
	return err(
		isobarError("labels_invalid", `The labelled prompts are not valid: ${where}: ${what}`, {
			...(param !== null && { param }),
			details: { line, ...details },
		}),
	);
}
