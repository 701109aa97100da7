import type { WarmthSignal, WarmthState } from "../signal.ts";
import { asObject, objectIn, type HeardStatus } from "./heard.ts";

/** `status.state` of Hugging Face's `GET /v2/endpoint/{namespace}/{name}`. One that is paused or has failed is not started by
 *  requests, and one that is being updated may serve or not: they tell nothing. */
const STATES: ReadonlyMap<unknown, WarmthState> = new Map([
	["scaledToZero", "cold"],
	["pending", "waking"],
	["initializing", "waking"],
	["running", "warm"],
] as const);

export function huggingfaceSignal({ status, body, at }: HeardStatus): WarmthSignal | null {
	const told = asObject(status === 200 ? objectIn(body)?.["status"] : null);
	const state = STATES.get(told?.["state"]);
	if (!told || state === undefined) return null;
	// Running, they say, and no replica is ready.
	if (state === "warm" && told["readyReplica"] === 0) return null;
	return { state, at, source: "huggingface_status" };
}
