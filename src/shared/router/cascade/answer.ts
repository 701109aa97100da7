/** A model's answer, as far as rules judge it. */
export interface Answer {
	/** One for each of `n`. */
	readonly choices: readonly AnswerChoice[];
}

export interface AnswerChoice {
	readonly text: string;
	/** What the model said in place of an answer, in the field that the API has for that. */
	readonly refusal: string;
	readonly finishReason: string | null;
	readonly toolCalls: readonly ToolCall[];
	/** Of the answer's tokens, natural logarithms; empty where none were given. */
	readonly logprobs: readonly number[];
}

export interface ToolCall {
	readonly name: string;
	/** JSON, as the model wrote it. */
	readonly arguments: string;
}

/** How much of an answer is judged; what is longer passes unread by the rules that look at its text. */
export const JUDGED_CHARS_MAX = 1_000_000;
