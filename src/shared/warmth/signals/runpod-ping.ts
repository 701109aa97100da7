import type { WarmthSignal } from "../signal.ts";
import type { HeardStatus } from "./heard.ts";

/** RunPod's load balancer at `/ping`: 200 with a healthy worker, 204 while one initialises; 400 says that none is available. The
 *  question starts a worker, so that it is a way of waking. */
export function runpodPingSignal({ status, body, at }: HeardStatus): WarmthSignal | null {
	const source = "runpod_ping";
	if (status === 200) return { state: "warm", at, source };
	if (status === 204 || saysNoWorkers(status, body)) return { state: "waking", at, source };
	return null;
}

/** The balancer's error when no worker was ready within two minutes. Nobody has read the request. */
export function saysNoWorkers(status: number, body: string): boolean {
	return status === 400 && /\bno workers? (is |are )?available\b/i.test(body);
}
