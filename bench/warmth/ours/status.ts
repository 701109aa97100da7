import type { WarmthSignal } from "../../../src/shared/warmth/signal.ts";
import type { Box } from "../box.ts";

/** What the pool's provider tells of it when it is asked, without being woken by the question; null: there is nobody to ask. */
export function statusOf({ state, spec }: Box, at: number): WarmthSignal | null {
	switch (spec.zero?.kind) {
		case "runpod_queue":
			return { state, at, source: "runpod_health" };
		case "huggingface":
			return { state, at, source: "huggingface_status" };
		default:
			return null;
	}
}
