import { badRequest, validationError, type VllmError } from "./errors.ts";
import { Fields, type JsonObject } from "./fields.ts";
import { readSampling, type GenerationRequest } from "./generation-request.ts";
import { promptOf, type Segment } from "./prompt.ts";
import { Unread } from "./skim.ts";
import { BEGIN_ID, VOCABULARY_SIZE } from "./tokenizer.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

/** vLLM's own default for completions, unlike chat. */
const MAX_TOKENS_DEFAULT = 16;
const LOGPROBS_MAX = 20;

export function readCompletion(body: JsonObject): Result<GenerationRequest, VllmError> {
	const fields = new Fields(body);
	const sampling = readSampling(fields);
	const maxTokens = fields.integer("max_tokens", 1) ?? MAX_TOKENS_DEFAULT;
	const logprobs = fields.integer("logprobs", 0, LOGPROBS_MAX) ?? null;
	if (fields.boolean("echo")) fields.fail(badRequest("echo is not simulated.", "echo"));
	if (fields.string("suffix")) fields.fail(badRequest("suffix is not currently supported.", "suffix"));
	const inputs = readInputs(fields.get("prompt"), "prompt");
	if (!inputs.ok) return inputs;
	if (fields.error) return err(fields.error);
	const prompts = inputs.value.map((segments) => promptOf(segments));
	return ok({ ...sampling, prompts, maxTokens, logprobs, tool: null, text: null });
}

/** A text, token ids, or a list of either, as completions and embeddings take them: one list of segments for each. */
export function readInputs(value: unknown, field: string): Result<Segment[][], VllmError> {
	if (value === undefined || value === null) return err(validationError("missing", [field], "Field required"));
	if (value instanceof Unread) return ok([[BEGIN_ID, value.media]]);
	if (typeof value === "string") return ok([[BEGIN_ID, value]]);
	if (!Array.isArray(value) || value.length === 0)
		return err(badRequest(`Either a text or a list of texts or token ids is expected, and not empty.`, field));
	const items: readonly unknown[] = typeof value[0] === "number" ? [value] : value;
	const inputs: Segment[][] = [];
	for (const item of items) {
		if (typeof item === "string") {
			inputs.push([BEGIN_ID, item]);
			continue;
		}
		const ids = readIds(item, field);
		if (!ids.ok) return ids;
		inputs.push([ids.value]);
	}
	return ok(inputs);
}

function readIds(item: unknown, field: string): Result<readonly number[], VllmError> {
	if (!Array.isArray(item) || item.length === 0)
		return err(validationError("list_type", [field], "Input should be a valid list"));
	const ids: number[] = [];
	for (const id of item) {
		if (typeof id !== "number" || !Number.isInteger(id) || id < 0)
			return err(validationError("int_type", [field], "Input should be a valid integer"));
		if (id >= VOCABULARY_SIZE) return err(badRequest(`Token id ${id} is out of vocabulary`, field));
		ids.push(id);
	}
	return ok(ids);
}
