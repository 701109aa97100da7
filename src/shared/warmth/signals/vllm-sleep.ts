import type { WarmthSignal } from "../signal.ts";
import { objectIn, type HeardStatus } from "./heard.ts";

/** vLLM's `GET /is_sleeping`, true until all that slept is awake. It does not tell the level: that is the catalog's. */
export function vllmSleepSignal({ status, body, at }: HeardStatus, level: 1 | 2): WarmthSignal | null {
	const isSleeping = status === 200 ? objectIn(body)?.["is_sleeping"] : null;
	const source = "vllm_sleep";
	if (isSleeping === true) return { state: "asleep", at, source, level };
	return isSleeping === false ? { state: "warm", at, source } : null;
}
