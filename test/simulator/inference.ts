import type { AnswerText } from "./answer-text.ts";
import { chatFormat } from "./chat-format.ts";
import { readChat } from "./chat-request.ts";
import { completionFormat } from "./completion-format.ts";
import { readCompletion } from "./completion-request.ts";
import { embeddingBody, readEmbedding, type EmbeddingRequest } from "./embedding.ts";
import type { Sequence } from "./engine.ts";
import { badRequest, modelNotFound, validationError, type VllmError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { JsonObject } from "./fields.ts";
import type { Format } from "./format.ts";
import { generate } from "./generation.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { Settings } from "./options.ts";
import { chainOf, type Prompt } from "./prompt.ts";
import type { ServedModel } from "./served-model.ts";
import { parseObject, skim } from "./skim.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";

/** What the three inference endpoints work with. */
export interface Inference {
	readonly settings: Settings;
	readonly served: ServedModel;
	readonly text: AnswerText;
	readonly exchange: Exchange;
	/** Unique part of the answer's id. */
	readonly id: string;
}

export function inferChat(inference: Inference, body: JsonObject): void {
	inferGeneration(inference, chatFormat, readChat(body, inference.settings.name));
}

export function inferCompletion(inference: Inference, body: JsonObject): void {
	inferGeneration(inference, completionFormat, readCompletion(body));
}

function inferGeneration(inference: Inference, format: Format, read: Result<GenerationRequest, VllmError>): void {
	const { settings } = inference;
	const request = read.ok ? fitting(read.value, read.value.maxTokens, settings) : read;
	if (!request.ok) {
		inference.exchange.error(request.error);
		return;
	}
	const rendering = {
		id: format.idPrefix + inference.id,
		created: seconds(),
		model: JSON.stringify(settings.model),
		logprobs: request.value.logprobs,
		reasoningField: settings.reasoningField,
	};
	generate({ ...inference, request: request.value, format, rendering });
}

/** Embeddings are a prefill for each input. */
export function inferEmbedding(inference: Inference, body: JsonObject): void {
	const { settings, served, exchange } = inference;
	const read = readEmbedding(body, settings.embeddingDimensions);
	const request = read.ok ? fitting(read.value, 0, settings) : read;
	if (!request.ok) {
		exchange.error(request.error);
		return;
	}
	const answer = () => {
		const body = embeddingBody(`embd-${inference.id}`, settings.model, seconds(), request.value);
		if (!exchange.over) exchange.json(body);
	};
	if (served.pacer) embed(inference, request.value, answer);
	else answer();
}

function embed({ served, exchange }: Inference, request: EmbeddingRequest, answer: () => void): void {
	const { engine, pacer } = served;
	if (!pacer) return;
	pacer.catchUp();
	const { now } = pacer;
	let left = request.prompts.length;
	const onEnd = () => {
		if (--left === 0) answer();
	};
	const sequences: Sequence[] = request.prompts.map((prompt) => {
		const fixed = { promptTokens: prompt.tokens, outputTokens: 0, finish: "stop", outputId: () => 0 } as const;
		return engine.submit({ ...fixed, chain: chainOf(prompt, null, engine.recordsTokens), onEnd }, now);
	});
	exchange.onGone(() => {
		pacer.catchUp();
		for (const sequence of sequences) engine.abort(sequence);
	});
	pacer.kick(now);
}

/** From this size on a replica without delays only skims a prompt. */
const SKIM_BYTES = 16_384;

/** The body as an object that names this replica's model, or none. `maySkim`: only the prompt's length matters. */
export function readBody(
	bytes: Buffer,
	contentType: string | undefined,
	model: string,
	maySkim: boolean,
): Result<JsonObject, VllmError> {
	if (contentType !== undefined && !/^application\/json\b/i.test(contentType))
		return err(validationError("value_error", [], "Unsupported Media Type: Only 'application/json' is allowed"));
	const body = maySkim && bytes.length >= SKIM_BYTES ? skim(bytes) : parseObject(bytes.toString());
	if (!body.ok) return err(validationError("json_invalid", [], `JSON decode error: ${body.error}`));
	const asked = body.value["model"];
	if (asked === undefined || asked === null || asked === model) return body;
	if (typeof asked !== "string")
		return err(validationError("string_type", ["model"], "Input should be a valid string"));
	return err(modelNotFound(asked));
}

/** vLLM refuses what does not fit its context; without `max_tokens` one token of answer is enough. */
function fitting<R extends { readonly prompts: readonly Prompt[] }>(
	request: R,
	maxTokens: number | null,
	{ contextLength }: Settings,
): Result<R, VllmError> {
	const longest = request.prompts.reduce((most, { tokens }) => Math.max(most, tokens), 0);
	const output = maxTokens ?? 1;
	if (longest + output <= contextLength) return ok(request);
	return err(
		badRequest(
			`This model's maximum context length is ${contextLength} tokens. However, you requested ${output} output tokens ` +
				`and your prompt contains at least ${longest} input tokens, for a total of at least ${longest + output} tokens. ` +
				"Please reduce the length of the input prompt or the number of requested output tokens.",
			"input_tokens",
		),
	);
}

function seconds(): number {
	return Math.floor(Date.now() / 1_000);
}
