import type { AnswerText } from "./answer-text.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { Saying } from "./options.ts";
import type { Prompt } from "./prompt.ts";
import { combine, logNormal, seeded } from "./random.ts";
import { CHARACTERS_PER_TOKEN, countTokens, END_ID, tokenIdAt } from "./tokenizer.ts";

/** How much lengths vary: the standard deviation of their logarithm. */
const LENGTH_SIGMA = 0.7;

export interface ToolCall {
	readonly id: string;
	readonly name: string;
	readonly arguments: string;
}

/** One choice, whole, before its first token is generated: the engine decides only when each token comes. */
export interface Choice {
	readonly index: number;
	readonly reasoning: string;
	/** The text, or the arguments of the tool call. */
	readonly body: string;
	readonly tool: ToolCall | null;
	/** Generated tokens: reasoning, the call's name (one token), the body, and the end token if it came to that. */
	readonly tokens: number;
	readonly finish: "stop" | "length" | "tool_calls";
	/** The stop string that ended it. */
	readonly stopReason: string | null;
}

/** What one token adds. "end" is the end token, which has no text. */
export interface Piece {
	readonly kind: "reasoning" | "tool" | "body" | "end";
	readonly text: string;
}

/** Draws choice `index` of a prompt: the same for the same seed and prompt, at every speed. `room` is what the context
 *  leaves for the answer, `median` the typical length of one, both in tokens. */
export function planChoice(
	request: GenerationRequest,
	prompt: Prompt,
	index: number,
	source: {
		readonly text: AnswerText;
		readonly room: number;
		readonly median: number;
		readonly says?: readonly Saying[];
	},
): Choice {
	const key = combine(combine(prompt.key, request.seed), index);
	const limit = Math.min(request.maxTokens ?? source.room, source.room);
	const thinks = Math.min(request.sim.reasoningTokens, limit);
	const reasoning = source.text.prose(key, CHARACTERS_PER_TOKEN * thinks);
	const tool = request.tool && {
		id: `chatcmpl-tool-${combine(key, 1).toString(16).padStart(8, "0")}${combine(key, 2).toString(16).padStart(8, "0")}`,
		name: request.tool.name,
		arguments: request.tool.arguments,
	};
	const before = thinks + (tool ? 1 : 0);
	const room = Math.max(0, limit - before);
	const full = tool?.arguments ?? request.text ?? saidTo(prompt, source.says) ?? prose(request, key, room, source);
	const body = full.slice(0, CHARACTERS_PER_TOKEN * room);
	const stopped = tool ? null : firstStop(body, request.stop);
	if (stopped) {
		const tokens = before + Math.ceil((stopped.at + stopped.text.length) / CHARACTERS_PER_TOKEN);
		const kept = body.slice(0, stopped.at + (request.includeStop ? stopped.text.length : 0));
		return { index, reasoning, body: kept, tool, tokens, finish: "stop", stopReason: stopped.text };
	}
	const wanted = before + countTokens(full) + 1;
	const ended = wanted <= limit;
	const natural = request.tool && !request.tool.named ? "tool_calls" : "stop";
	const finish = ended ? natural : "length";
	return { index, reasoning, body, tool, tokens: ended ? wanted : limit, finish, stopReason: null };
}

/** Token `i` of a choice. */
export function pieceAt(choice: Choice, i: number): Piece {
	const thinks = countTokens(choice.reasoning);
	if (i < thinks) return { kind: "reasoning", text: window(choice.reasoning, i) };
	if (choice.tool && i === thinks) return { kind: "tool", text: choice.tool.name };
	const at = i - thinks - (choice.tool ? 1 : 0);
	const isEnd = i === choice.tokens - 1 && choice.finish !== "length" && choice.stopReason === null;
	return isEnd ? { kind: "end", text: "" } : { kind: "body", text: window(choice.body, at) };
}

/** The id of token `i`, the same that the text has when it comes back in a prompt. */
export function tokenIdOf(choice: Choice, i: number): number {
	const piece = pieceAt(choice, i);
	return piece.kind === "end" ? END_ID : tokenIdAt(piece.text, 0);
}

function saidTo({ segments }: Prompt, says: readonly Saying[] = []): string | undefined {
	return says.find(({ to }) => segments.some((segment) => typeof segment === "string" && segment.includes(to)))?.answer;
}

function prose(
	request: GenerationRequest,
	key: number,
	room: number,
	source: { readonly text: AnswerText; readonly median: number },
): string {
	const drawn = Math.max(2, Math.round(logNormal(seeded(key), source.median, LENGTH_SIGMA)), request.minTokens);
	const wanted = request.sim.outputTokens ?? (request.ignoreEos ? Number.POSITIVE_INFINITY : drawn);
	// One for the end token; one more than fits shows that the answer was cut.
	const tokens = Math.max(0, Math.min(wanted - 1, room + 1));
	return source.text.answer(key, CHARACTERS_PER_TOKEN * tokens);
}

function firstStop(body: string, stops: readonly string[]): { readonly at: number; readonly text: string } | null {
	let first: { at: number; text: string } | null = null;
	for (const text of stops) {
		const at = body.indexOf(text);
		if (at >= 0 && (!first || at < first.at)) first = { at, text };
	}
	return first;
}

function window(text: string, i: number): string {
	return text.slice(i * CHARACTERS_PER_TOKEN, (i + 1) * CHARACTERS_PER_TOKEN);
}
