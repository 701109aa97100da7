import type { ScaleToZeroName } from "../../catalog/scale-to-zero.ts";
import type { Seconds } from "../../units.ts";
import type { WarmthSignal } from "../signal.ts";
import { saysNoWorkers } from "./runpod-ping.ts";

/** The answer to a request, as far as it tells of warmth. */
export interface HeardAnswer {
	readonly status: number;
	readonly headers: Pick<Headers, "get">;
	/** Of an error, its beginning. */
	readonly body: string;
	/** Until the headers came. */
	readonly seconds: Seconds;
	/** The headers of a stream come before its first token; those of a plain answer after the last. */
	readonly streamed: boolean;
	/** Unix seconds. */
	readonly at: Seconds;
}

const KEDA_HEADER = "x-keda-http-cold-start";
const KEDA_SOURCE = "keda_header";

/** Whether an answer says of itself that it had to wait for a start; null: it does not tell. */
export function startTold({ source, coldSeconds }: WarmthSignal): boolean | null {
	return source === KEDA_SOURCE ? coldSeconds !== undefined : null;
}

/** What an answer says of the pool that gave it: warm, with a label of the start that it had to wait for where the pool tells;
 *  waking, where the request met no engine and has started one; null where it tells neither. */
export function answerSignal(kind: ScaleToZeroName, heard: HeardAnswer): WarmthSignal | null {
	const { status, headers, seconds, streamed, at } = heard;
	const waited = kind === "keda" ? headers.get(KEDA_HEADER)?.trim().toLowerCase() : undefined;
	if (isStart(kind, heard, waited === "true")) return { state: "waking", at, source: `${kind}_answer` };
	if (status < 200 || status > 299) return null;
	if (waited === "false") return { state: "warm", at, source: KEDA_SOURCE };
	// A plain answer's time is the whole generation's too: what of it was the start is not told.
	if (waited === "true" && streamed && seconds >= 0)
		return { state: "warm", at, source: KEDA_SOURCE, coldSeconds: seconds };
	return { state: "warm", at, source: "answer" };
}

/** Whether no engine was there to answer, and the provider starts one. */
function isStart(kind: ScaleToZeroName, { status, body }: HeardAnswer, kedaStarted: boolean): boolean {
	switch (kind) {
		case "plain":
		case "huggingface":
		case "knative":
		case "modal":
		case "cog":
		case "llama_cpp":
			return status === 503;
		case "keda":
			// The interceptor's own errors, when the start took longer than it holds a request.
			return kedaStarted && status >= 500;
		case "runpod_load_balancer":
			return status === 204 || saysNoWorkers(status, body);
		case "runpod_queue":
		case "vllm_sleep":
			return false;
	}
}
