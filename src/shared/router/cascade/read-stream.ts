import type { Answer, ToolCall } from "./answer.ts";
import { isRecord, list, text } from "./json-fields.ts";
import { contentOf, finishReasonOf, logprobsOf, parse } from "./read-answer.ts";

interface Growing {
	text: string;
	refusal: string;
	finishReason: string | null;
	readonly toolCalls: Map<number, { name: string; arguments: string }>;
	readonly logprobs: number[];
}

/** More choices than the API allows are a fault of the pool. */
const CHOICES_MAX = 1_024;

/** The answer that a whole stream of server-sent events adds up to; null where it holds no choice. */
export function readStreamedAnswer(bytes: Uint8Array): Answer | null {
	const choices = new Map<number, Growing>();
	for (const data of eventsOf(new TextDecoder().decode(bytes))) {
		const event = parse(data);
		if (!isRecord(event)) continue;
		for (const choice of list(event["choices"])) if (isRecord(choice)) grow(choices, choice);
	}
	if (choices.size === 0) return null;
	const inOrder = [...choices].sort(([a], [b]) => a - b);
	return { choices: inOrder.map(([, choice]) => ({ ...choice, toolCalls: callsIn(choice) })) };
}

/** The data of each event. Lines end in LF, CRLF or CR. */
function* eventsOf(stream: string): Generator<string> {
	let data: string[] = [];
	for (const line of stream.split(/\r\n|\n|\r/)) {
		if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
		else if (line === "" && data.length > 0) {
			yield data.join("\n");
			data = [];
		}
	}
}

function grow(choices: Map<number, Growing>, choice: Readonly<Record<string, unknown>>): void {
	const index = typeof choice["index"] === "number" ? choice["index"] : 0;
	let grown = choices.get(index);
	if (!grown) {
		if (choices.size >= CHOICES_MAX) return;
		grown = { text: "", refusal: "", finishReason: null, toolCalls: new Map(), logprobs: [] };
		choices.set(index, grown);
	}
	const delta = isRecord(choice["delta"]) ? choice["delta"] : {};
	grown.text += contentOf(delta["content"]) || text(choice["text"]);
	grown.refusal += text(delta["refusal"]);
	grown.finishReason = finishReasonOf(choice) ?? grown.finishReason;
	// One by one: a spread of many is more arguments than the stack holds.
	for (const logprob of logprobsOf(choice["logprobs"])) grown.logprobs.push(logprob);
	for (const call of list(delta["tool_calls"])) if (isRecord(call)) growCall(grown, call);
	if (isRecord(delta["function_call"])) growCall(grown, { index: 0, function: delta["function_call"] });
}

function growCall({ toolCalls }: Growing, call: Readonly<Record<string, unknown>>): void {
	const index = typeof call["index"] === "number" ? call["index"] : 0;
	const known = toolCalls.get(index) ?? { name: "", arguments: "" };
	const part = isRecord(call["function"]) ? call["function"] : {};
	toolCalls.set(index, {
		name: known.name + text(part["name"]),
		arguments: known.arguments + text(part["arguments"]),
	});
}

function callsIn({ toolCalls }: Growing): ToolCall[] {
	return [...toolCalls].sort(([a], [b]) => a - b).map(([, call]) => call);
}
