/** What may speak at the other end of a pool, and what Isobar can rely on with it. */
export interface Engine {
	/** GETs that answer 200 when it can serve, and its Prometheus metrics. Null: it has none. */
	readonly healthPath: string | null;
	readonly metricsPath: string | null;
	/** Takes the body field `cache_salt`, and shares cached prefixes among requests of one salt only. */
	readonly cacheSalt: boolean;
	/** Says nothing of cached tokens where a prompt hit none, as if it did not report them. */
	readonly silentOnMiss: boolean;
}

/** vLLM's and SGLang's protocol files (`cache_salt` in chat completions and completions) and what makes their usage (vLLM:
 *  `if enable_prompt_tokens_details and num_cached_tokens`), llama.cpp's server README. */
export const ENGINES = {
	vllm: { healthPath: "/health", metricsPath: "/metrics", cacheSalt: true, silentOnMiss: true },
	sglang: { healthPath: "/health", metricsPath: "/metrics", cacheSalt: true, silentOnMiss: true },
	llama_cpp: { healthPath: "/health", metricsPath: "/metrics", cacheSalt: false, silentOnMiss: false },
	/** Any other that speaks OpenAI's API, commercial ones included. */
	openai: { healthPath: null, metricsPath: null, cacheSalt: false, silentOnMiss: false },
} as const satisfies Record<string, Engine>;

export type EngineName = keyof typeof ENGINES;
export const ENGINE_NAMES = Object.keys(ENGINES) as [EngineName, ...EngineName[]];
