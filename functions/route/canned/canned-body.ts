import type { Rule } from "../../../src/shared/router/canned.ts";

export interface Said {
	readonly id: string;
	/** Unix seconds. */
	readonly created: number;
	readonly model: string;
	readonly choices: number;
}

const USAGE = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

type Words = Pick<Rule, "answer" | "refusal">;

/** A rule's answer in OpenAI's shape. */
export function cannedBody(rule: Words, isChat: boolean, { choices: count, ...said }: Said): string {
	const choices = range(count).map((index) =>
		isChat
			? { index, message: { role: "assistant", ...contentOf(rule) }, logprobs: null, finish_reason: "stop" }
			: { index, text: textOf(rule), logprobs: null, finish_reason: finishOf(rule) },
	);
	return JSON.stringify({ ...said, object: isChat ? "chat.completion" : "text_completion", choices, usage: USAGE });
}

/** The same as server-sent events: all of it at once, then its end. */
export function cannedStream(
	rule: Words,
	isChat: boolean,
	{ choices: count, ...said }: Said,
	includeUsage: boolean,
): string {
	const object = isChat ? "chat.completion.chunk" : "text_completion";
	const event = (choices: readonly object[], more: object = {}): string =>
		`data: ${JSON.stringify({ ...said, object, choices, ...more })}\n\n`;
	const whole = range(count).map((index) =>
		isChat
			? event([{ index, delta: { role: "assistant", ...contentOf(rule) }, finish_reason: null }]) +
				event([{ index, delta: {}, finish_reason: "stop" }])
			: event([{ index, text: textOf(rule), finish_reason: finishOf(rule) }]),
	);
	const usage = includeUsage ? event([], { usage: USAGE }) : "";
	return `${whole.join("")}${usage}data: [DONE]\n\n`;
}

function contentOf({ answer, refusal }: Words): object {
	return { content: answer ?? null, refusal: refusal ?? null };
}

function textOf({ answer, refusal }: Words): string {
	return answer ?? refusal ?? "";
}

/** Completions have no field for a refusal. */
function finishOf({ refusal }: Words): string {
	return refusal === undefined ? "stop" : "content_filter";
}

function range(count: number): number[] {
	return Array.from({ length: count }, (_, index) => index);
}
