import { readInputs } from "./completion-request.ts";
import { badRequest, type VllmError } from "./errors.ts";
import { Fields, type JsonObject } from "./fields.ts";
import { promptOf, type Prompt } from "./prompt.ts";
import { seeded } from "./random.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

export interface EmbeddingRequest {
	readonly prompts: readonly Prompt[];
	readonly base64: boolean;
	readonly dimensions: number;
}

export function readEmbedding(body: JsonObject, dimensionsMax: number): Result<EmbeddingRequest, VllmError> {
	const fields = new Fields(body);
	const format = fields.string("encoding_format") ?? "float";
	if (format !== "float" && format !== "base64")
		fields.fail(badRequest("encoding_format must be float or base64.", "encoding_format"));
	const dimensions = fields.integer("dimensions", 1, dimensionsMax) ?? dimensionsMax;
	const inputs = readInputs(fields.get("input"), "input");
	if (!inputs.ok) return inputs;
	if (fields.error) return err(fields.error);
	const prompts = inputs.value.map((segments) => promptOf(segments, Number.MAX_SAFE_INTEGER));
	return ok({ prompts, base64: format === "base64", dimensions });
}

/** A unit vector that depends on the prompt's key only. Prompts that are alike do not get vectors that are alike. */
export function embeddingOf(prompt: Prompt, dimensions: number): Float32Array {
	const rng = seeded(prompt.key);
	const vector = Float32Array.from({ length: dimensions }, () => rng() - 0.5);
	let squares = 0;
	for (const value of vector) squares += value * value;
	const length = Math.sqrt(squares) || 1;
	return vector.map((value) => value / length);
}

export function embeddingBody(id: string, model: string, created: number, request: EmbeddingRequest): string {
	const data = request.prompts.map((prompt, index) => {
		const vector = embeddingOf(prompt, request.dimensions);
		const embedding = request.base64 ? Buffer.from(vector.buffer).toString("base64") : [...vector];
		return { index, object: "embedding", embedding };
	});
	const tokens = request.prompts.reduce((sum, prompt) => sum + prompt.tokens, 0);
	const usage = { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0, prompt_tokens_details: null };
	return JSON.stringify({ id, object: "list", created, model, data, usage });
}
