import { JUDGED_CHARS_MAX, type Answer, type AnswerChoice } from "./answer.ts";
import { isRefusal } from "./refusal.ts";
import type { RequestedShape } from "./schema-check.ts";

/** What is wrong with an answer, told for nothing. */
export type Fault =
	| "unreadable"
	| "empty"
	| "length"
	| "content_filter"
	| "refusal"
	| "not_json"
	| "schema"
	| "tool_unknown"
	| "tool_arguments";

/** The first fault of any of its choices; null where there is none. `maxTokensAsked`: the client set the limit itself, so an
 *  answer that ends there is what it asked for. */
export function faultOf(answer: Answer | null, shape: RequestedShape, maxTokensAsked: boolean): Fault | null {
	if (!answer || answer.choices.length === 0) return "unreadable";
	for (const choice of answer.choices) {
		const fault = faultOfChoice(choice, shape, maxTokensAsked);
		if (fault) return fault;
	}
	return null;
}

function faultOfChoice(choice: AnswerChoice, shape: RequestedShape, maxTokensAsked: boolean): Fault | null {
	const { text, refusal, finishReason, toolCalls } = choice;
	if (finishReason === "content_filter") return "content_filter";
	if (finishReason === "length" && !(maxTokensAsked && !shape.format && toolCalls.length === 0)) return "length";
	if (refusal !== "") return "refusal";
	if (toolCalls.length > 0) return faultOfCalls(choice, shape);
	if (text.trim() === "") return "empty";
	if (isRefusal(text)) return "refusal";
	if (!shape.format || text.length > JUDGED_CHARS_MAX) return null;
	const problem = shape.format.problem(text);
	return problem === null ? null : problem === "is no JSON" ? "not_json" : "schema";
}

function faultOfCalls({ toolCalls }: AnswerChoice, { tools }: RequestedShape): Fault | null {
	for (const { name, arguments: given } of toolCalls) {
		const check = tools?.get(name);
		if (!check) return "tool_unknown";
		// A tool without parameters is called with nothing by some models.
		if (given.length <= JUDGED_CHARS_MAX && check.problem(given === "" ? "{}" : given) !== null)
			return "tool_arguments";
	}
	return null;
}
