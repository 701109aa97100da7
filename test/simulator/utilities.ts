import { renderChat } from "./chat-messages.ts";
import { validationError, type VllmError } from "./errors.ts";
import type { JsonObject } from "./fields.ts";
import type { Settings } from "./options.ts";
import type { Segment } from "./prompt.ts";
import { BEGIN_ID, VOCABULARY_SIZE, type Vocabulary } from "./tokenizer.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

export function modelCard({ model, contextLength }: Settings, startedAt: number): object {
	return {
		id: model,
		object: "model",
		created: Math.floor(startedAt),
		owned_by: "vllm",
		root: model,
		parent: null,
		max_model_len: contextLength,
		permission: [],
	};
}

/** POST /tokenize: a `prompt`, or `messages` through the chat template. */
export function tokenize(
	body: JsonObject,
	vocabulary: Vocabulary,
	{ contextLength }: Settings,
): Result<object, VllmError> {
	const segments = segmentsOf(body);
	if (!segments.ok) return segments;
	const tokens = segments.value.flatMap((segment) => {
		if (typeof segment === "string") return vocabulary.encode(segment);
		if (typeof segment === "number") return [segment];
		return "tokens" in segment ? Array.from({ length: segment.tokens }, () => segment.key % VOCABULARY_SIZE) : segment;
	});
	return ok({ count: tokens.length, max_model_len: contextLength, tokens, token_strs: null });
}

function segmentsOf(body: JsonObject): Result<Segment[], VllmError> {
	const { prompt, messages } = body;
	if (typeof prompt === "string") return ok(body["add_special_tokens"] === false ? [prompt] : [BEGIN_ID, prompt]);
	if (messages !== undefined) return renderChat(messages, body["tools"]);
	return err(validationError("missing", ["prompt"], "Field required"));
}

/** POST /detokenize. */
export function detokenize(body: JsonObject, vocabulary: Vocabulary): Result<object, VllmError> {
	const { tokens } = body;
	if (!Array.isArray(tokens) || !tokens.every((id) => Number.isInteger(id)))
		return err(validationError("list_type", ["tokens"], "Input should be a valid list of integers"));
	return ok({ prompt: vocabulary.decode(tokens) });
}
