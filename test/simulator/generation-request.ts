import { badRequest, validationError } from "./errors.ts";
import { isObject, type Fields, type JsonObject } from "./fields.ts";
import type { Prompt } from "./prompt.ts";

/** What chat and completions have in common once they are read. */
export interface GenerationRequest {
	readonly prompts: readonly Prompt[];
	/** Choices a prompt. */
	readonly n: number;
	readonly stream: boolean;
	readonly includeUsage: boolean;
	readonly continuousUsage: boolean;
	/** What the request allows for one choice; null: what the context leaves. */
	readonly maxTokens: number | null;
	readonly minTokens: number;
	readonly ignoreEos: boolean;
	readonly stop: readonly string[];
	readonly includeStop: boolean;
	/** Alternatives listed with each token's log-probability; null: no log-probabilities. */
	readonly logprobs: number | null;
	readonly seed: number;
	readonly cacheSalt: string | null;
	/** The answer is this text, whole (JSON on demand); null: as much simulated prose as is drawn. */
	readonly text: string | null;
	readonly tool: ToolRequest | null;
	readonly sim: SimField;
}

export interface ToolRequest {
	readonly name: string;
	readonly arguments: string;
	/** Named by the client: vLLM then ends with "stop" and not with "tool_calls". */
	readonly named: boolean;
}

/** The extra field `sim`, which a real server ignores: it fixes how long an answer is. */
export interface SimField {
	readonly outputTokens: number | null;
	/** Reasoning that comes before the answer, in tokens, on top of `outputTokens`. */
	readonly reasoningTokens: number;
}

const CHOICES_MAX = 128;

type Sampling = Omit<GenerationRequest, "prompts" | "maxTokens" | "logprobs" | "text" | "tool">;

/** Reads the parameters that mean the same in both endpoints; what is wrong is left in `fields.error`. */
export function readSampling(fields: Fields): Sampling {
	const stream = fields.boolean("stream");
	const options = fields.object("stream_options");
	if (options && !stream)
		fields.fail(badRequest("Stream options can only be defined when `stream=True`.", "stream_options"));
	fields.number("temperature", 0, Number.MAX_VALUE);
	fields.number("top_p", 0, 1);
	return {
		n: fields.integer("n", 1, CHOICES_MAX) ?? 1,
		stream,
		includeUsage: options?.["include_usage"] === true,
		continuousUsage: options?.["include_usage"] === true && options["continuous_usage_stats"] === true,
		minTokens: fields.integer("min_tokens", 0) ?? 0,
		ignoreEos: fields.boolean("ignore_eos"),
		stop: readStop(fields),
		includeStop: fields.boolean("include_stop_str_in_output"),
		seed: fields.integer("seed", Number.MIN_SAFE_INTEGER) ?? 0,
		cacheSalt: fields.string("cache_salt") ?? null,
		sim: readSim(fields.get("sim")),
	};
}

function readStop(fields: Fields): readonly string[] {
	const stop = fields.get("stop");
	if (stop === undefined) return [];
	const list: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
	const strings = list.filter((item) => typeof item === "string");
	if (strings.length < list.length)
		fields.fail(validationError("string_type", ["stop"], "Input should be a valid string"));
	if (strings.includes("")) fields.fail(badRequest("stop cannot contain an empty string.", "stop"));
	return strings;
}

function readSim(value: unknown): SimField {
	const sim: JsonObject = isObject(value) ? value : {};
	return {
		outputTokens: typeof sim["output_tokens"] === "number" ? sim["output_tokens"] : null,
		reasoningTokens: typeof sim["reasoning_tokens"] === "number" ? sim["reasoning_tokens"] : 0,
	};
}
