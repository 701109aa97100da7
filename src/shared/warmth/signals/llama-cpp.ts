import type { WarmthSignal } from "../signal.ts";
import { objectIn, type HeardStatus } from "./heard.ts";

/** llama.cpp's `GET /props`; 503 while it loads its model. */
export function llamaCppSignal({ status, body, at }: HeardStatus): WarmthSignal | null {
	const source = "llama_cpp_props";
	if (status === 503) return { state: "waking", at, source };
	const isSleeping = status === 200 ? objectIn(body)?.["is_sleeping"] : null;
	return typeof isSleeping === "boolean" ? { state: isSleeping ? "asleep" : "warm", at, source } : null;
}
