import { SCALE_TO_ZERO, type EnginePath } from "./scale-to-zero.ts";
import type { Pool } from "./schema.ts";

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

/** The engine's path, where the pool's engine has it and a GET of it neither wakes the pool nor resets its idle timer; else
 *  null. Nobody asked for such a GET. */
export function unaskedPath({ engine, scale_to_zero: zero }: Pool, path: EnginePath): string | null {
	const harmless: readonly EnginePath[] = zero ? SCALE_TO_ZERO[zero.kind].harmless : ["health", "metrics"];
	if (!harmless.includes(path)) return null;
	return path === "health" ? ENGINES[engine].healthPath : ENGINES[engine].metricsPath;
}
