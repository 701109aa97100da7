import type { Choice } from "./choice.ts";

export interface Usage {
	readonly promptTokens: number;
	readonly completionTokens: number;
	/** Null: the server does not report it. Nor does it report zero. */
	readonly cachedTokens: number | null;
}

/** What one answer needs besides its choices. */
export interface Rendering {
	readonly id: string;
	readonly created: number;
	/** The model's name as JSON. */
	readonly model: string;
	readonly logprobs: number | null;
	readonly reasoningField: string;
}

/** How an endpoint writes the same answer, as JSON text. The order of the members is vLLM's. */
export interface Format {
	readonly idPrefix: string;
	/** The plain body. Without usage when a fault takes it away. */
	body(rendering: Rendering, choices: readonly Choice[], usage: Usage | null): string;
	/** What stands before the choices in each chunk of a stream. */
	chunkHead(rendering: Rendering): string;
	/** The chunk that opens a choice (chat: the role), if there is one. */
	opening(choice: Choice): string | null;
	/** The `choices` of the chunk for token `i`. */
	token(rendering: Rendering, choice: Choice, i: number): string;
}

export function usageJson({ promptTokens, completionTokens, cachedTokens }: Usage): string {
	// As vLLM, which leaves the details out where nothing was cached.
	const details = cachedTokens === null || cachedTokens === 0 ? "null" : `{"cached_tokens":${cachedTokens}}`;
	const total = promptTokens + completionTokens;
	return `{"prompt_tokens":${promptTokens},"total_tokens":${total},"completion_tokens":${completionTokens},"prompt_tokens_details":${details}}`;
}

export function stopReasonJson(choice: Choice): string {
	return choice.stopReason === null ? "null" : JSON.stringify(choice.stopReason);
}
