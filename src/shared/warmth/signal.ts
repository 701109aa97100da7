import type { Seconds } from "../units.ts";

export type WarmthState = "cold" | "waking" | "warm" | "draining" | "asleep";

/** What somebody has seen of a pool's or replica's warmth. */
export interface WarmthSignal {
	readonly state: WarmthState;
	/** Unix seconds of the observation. */
	readonly at: Seconds;
	/** Names the adapter or the evidence: `vllm_sleep`, `keda_header`, `answer`, `ttft`, ... */
	readonly source: string;
	/** Seconds that it has been waking, where that is known. */
	readonly wakingFor?: Seconds;
	/** Sleep level of an engine that sleeps. */
	readonly level?: 1 | 2;
	/** A label: this answer had to wait so long for a start. */
	readonly coldSeconds?: Seconds;
}
