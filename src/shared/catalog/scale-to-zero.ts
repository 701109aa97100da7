import type { Seconds } from "../units.ts";

/** How pools of one kind scale to zero, as their providers document it, and what may be asked of them unasked. */
export interface ScaleToZeroKind {
	/** Seconds without a request after which it scales to zero by default; null: not by itself, or as whoever runs it wishes. */
	readonly idleSeconds: Seconds | null;
	/** Whose word tells its state and neither wakes it nor resets its idle timer. `own`: a path of the replica's own, or one that
	 *  follows from its URL; `named`: only a `status_url` that the catalog names, which is asking for it; `none`: there is none. */
	readonly status: "own" | "named" | "none";
	/** Which of the engine's own GETs neither wake it nor reset its idle timer. */
	readonly harmless: readonly EnginePath[];
	/** Which idle time-outs its provider takes over HTTP (`settings_url`); null: none. */
	readonly idleTimeout: { readonly min: Seconds; readonly max: Seconds } | null;
}

/** Paths that are asked of engines after failures, and to see whether they have restarted. */
export type EnginePath = "health" | "metrics";

const RUNPOD_IDLE = { min: 1, max: 3_600 };

/** Sources: RunPod's docs (endpoint settings, REST API's `idleTimeout`; load balancing: any path goes to the balancer and starts
 *  a worker), Hugging Face's autoscaling guide and its API client (`scaleToZeroTimeout`, in minutes), KEDA's HTTPScaledObject
 *  (`scaledownPeriod`), Knative's `stable-window`, Modal's `scaledown_window`, Cog's http.md, vLLM's sleep_mode.md, llama.cpp's
 *  server README (`/health`, `/props` and `/models` are no tasks; `/metrics` is). */
export const SCALE_TO_ZERO = {
	/** Any request starts it and waits or gets 503. */
	plain: { idleSeconds: null, status: "none", harmless: [], idleTimeout: null },
	runpod_queue: { idleSeconds: 5, status: "own", harmless: [], idleTimeout: RUNPOD_IDLE },
	runpod_load_balancer: { idleSeconds: 5, status: "none", harmless: [], idleTimeout: RUNPOD_IDLE },
	huggingface: { idleSeconds: 3_600, status: "named", harmless: [], idleTimeout: { min: 900, max: 86_400 } },
	keda: { idleSeconds: 300, status: "none", harmless: [], idleTimeout: null },
	knative: { idleSeconds: 60, status: "none", harmless: [], idleTimeout: null },
	modal: { idleSeconds: 60, status: "named", harmless: [], idleTimeout: null },
	cog: { idleSeconds: null, status: "named", harmless: [], idleTimeout: null },
	vllm_sleep: { idleSeconds: null, status: "own", harmless: ["health", "metrics"], idleTimeout: null },
	llama_cpp: { idleSeconds: null, status: "own", harmless: ["health"], idleTimeout: null },
} as const satisfies Record<string, ScaleToZeroKind>;

export type ScaleToZeroName = keyof typeof SCALE_TO_ZERO;
export const SCALE_TO_ZERO_NAMES = Object.keys(SCALE_TO_ZERO) as [ScaleToZeroName, ...ScaleToZeroName[]];
