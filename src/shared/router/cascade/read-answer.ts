import type { Answer, AnswerChoice, ToolCall } from "./answer.ts";
import { isRecord, list, text } from "./json-fields.ts";

/** An answer of `chat/completions` or `completions`; null where the body is none. */
export function readPlainAnswer(body: Uint8Array): Answer | null {
	const parsed = parse(new TextDecoder().decode(body));
	if (!isRecord(parsed) || !Array.isArray(parsed["choices"])) return null;
	return { choices: parsed["choices"].map(choiceOf) };
}

function choiceOf(choice: unknown): AnswerChoice {
	const fields = isRecord(choice) ? choice : {};
	const message = isRecord(fields["message"]) ? fields["message"] : {};
	return {
		text: contentOf(message["content"]) || text(fields["text"]),
		refusal: text(message["refusal"]),
		finishReason: finishReasonOf(fields),
		toolCalls: callsOf(message),
		logprobs: logprobsOf(fields["logprobs"]),
	};
}

/** Some pools answer with a list of parts. */
export function contentOf(content: unknown): string {
	if (!Array.isArray(content)) return text(content);
	return content.map((part) => (isRecord(part) ? text(part["text"]) : "")).join("");
}

export function finishReasonOf(choice: Readonly<Record<string, unknown>>): string | null {
	return text(choice["finish_reason"]) || null;
}

function callsOf(message: Readonly<Record<string, unknown>>): ToolCall[] {
	const calls = list(message["tool_calls"]).map((call) => functionOf(isRecord(call) ? call["function"] : undefined));
	return isRecord(message["function_call"]) ? [...calls, functionOf(message["function_call"])] : calls;
}

function functionOf(value: unknown): ToolCall {
	const fields = isRecord(value) ? value : {};
	return { name: text(fields["name"]), arguments: text(fields["arguments"]) };
}

/** Chat's `{content: [{logprob}]}` and the older `{token_logprobs: []}`. */
export function logprobsOf(value: unknown): number[] {
	if (!isRecord(value)) return [];
	const given = Array.isArray(value["token_logprobs"])
		? value["token_logprobs"]
		: list(value["content"]).map((token) => (isRecord(token) ? token["logprob"] : undefined));
	return given.filter((each): each is number => typeof each === "number" && Number.isFinite(each));
}

export function parse(json: string): unknown {
	try {
		return JSON.parse(json);
	} catch {
		return undefined;
	}
}
