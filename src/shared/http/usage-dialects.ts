/** Where engines and APIs say how much of a prompt they had cached. An answer that says nothing is not one that hit nothing. */
export interface CountedPrompt {
	/** Undefined where the dialect leaves the prompt to `prompt_tokens`. */
	readonly prompt?: unknown;
	readonly cached: unknown;
}

type Usage = Readonly<Record<string, unknown>>;

/** By whose API it is; the first that has something to say is believed. */
const DIALECTS: readonly ((usage: Usage) => CountedPrompt | undefined)[] = [
	// OpenAI, vLLM (--enable-prompt-tokens-details), SGLang (--enable-cache-report), llama.cpp since 2026-02.
	({ prompt_tokens_details: details }) =>
		isUsage(details) && isSaid(details["cached_tokens"]) ? { cached: details["cached_tokens"] } : undefined,
	// DeepSeek: hit and miss add up to prompt_tokens.
	({ prompt_cache_hit_tokens: cached }) => (isSaid(cached) ? { cached } : undefined),
	// Moonshot.
	({ cached_tokens: cached }) => (isSaid(cached) ? { cached } : undefined),
	// Anthropic: input_tokens leaves out what was read from the cache or written to it.
	({ input_tokens: input, cache_read_input_tokens: cached, cache_creation_input_tokens: written }) =>
		isSaid(cached) && isSaid(input) ? { prompt: sum(input, cached, written ?? 0), cached } : undefined,
];

export function countedPrompt(usage: unknown): CountedPrompt | undefined {
	if (!isUsage(usage)) return undefined;
	for (const dialect of DIALECTS) {
		const counted = dialect(usage);
		if (counted) return counted;
	}
	return undefined;
}

function isUsage(value: unknown): value is Usage {
	return typeof value === "object" && value !== null;
}

function isSaid(value: unknown): boolean {
	return value !== undefined && value !== null;
}

function sum(...parts: readonly unknown[]): unknown {
	return parts.every((part) => typeof part === "number") ? parts.reduce((all, part) => all + part, 0) : undefined;
}
