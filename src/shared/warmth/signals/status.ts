import type { CatalogReplica } from "../../catalog/snapshot.ts";
import { SCALE_TO_ZERO } from "../../catalog/scale-to-zero.ts";
import type { ScaleToZero } from "../../catalog/schema.ts";
import type { WarmthSignal } from "../signal.ts";
import { cogSignal } from "./cog.ts";
import type { HeardStatus } from "./heard.ts";
import { huggingfaceSignal } from "./huggingface.ts";
import { llamaCppSignal } from "./llama-cpp.ts";
import { modalSignal } from "./modal.ts";
import { runpodQueueSignal } from "./runpod-queue.ts";
import { vllmSleepSignal } from "./vllm-sleep.ts";

/** Where a replica's state can be read without waking it or resetting its idle timer; null: nowhere. */
export function statusUrlOf({ baseUrl, pool: { pool } }: CatalogReplica): string | null {
	const zero = pool.scale_to_zero;
	if (!zero || SCALE_TO_ZERO[zero.kind].status === "none") return null;
	if (zero.status_url !== undefined) return zero.status_url;
	switch (zero.kind) {
		case "vllm_sleep":
			return `${baseUrl}/is_sleeping`;
		case "llama_cpp":
			return `${baseUrl}/props`;
		case "runpod_queue": {
			const endpoint = /^(.*\/v2\/[^/]+)\/openai$/.exec(baseUrl)?.[1];
			return endpoint === undefined ? null : `${endpoint}/health`;
		}
		default:
			return null;
	}
}

/** What the answer to a status call says; null for whatever is not an answer as the kind gives it. Never throws. */
export function statusSignal(zero: ScaleToZero, heard: HeardStatus): WarmthSignal | null {
	switch (zero.kind) {
		case "runpod_queue":
			return runpodQueueSignal(heard);
		case "huggingface":
			return huggingfaceSignal(heard);
		case "modal":
			return modalSignal(heard);
		case "cog":
			return cogSignal(heard);
		case "vllm_sleep":
			return vllmSleepSignal(heard, zero.sleep_level ?? 1);
		case "llama_cpp":
			return llamaCppSignal(heard);
		case "plain":
		case "knative":
		case "keda":
		case "runpod_load_balancer":
			return null;
	}
}
