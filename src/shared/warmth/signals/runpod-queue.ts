import type { WarmthSignal } from "../signal.ts";
import { asObject, countIn, objectIn, type HeardStatus } from "./heard.ts";

/** RunPod's `GET /v2/{id}/health`: `{jobs: {inProgress, inQueue, ...}, workers: {idle, running, initializing, ...}}`. Jobs in
 *  progress without a worker, and what is no such object, tell nothing. */
export function runpodQueueSignal({ status, body, at }: HeardStatus): WarmthSignal | null {
	const answer = status === 200 ? objectIn(body) : null;
	const jobs = asObject(answer?.["jobs"]);
	const workers = asObject(answer?.["workers"]);
	// One of these is in every answer of theirs; zero is taken only for what newer answers have beside it.
	if (!jobs || !workers || !("inQueue" in jobs) || !("running" in workers)) return null;
	const [queued, inProgress] = [countIn(jobs, "inQueue"), countIn(jobs, "inProgress")];
	const [idle, running] = [countIn(workers, "idle"), countIn(workers, "running")];
	const initializing = countIn(workers, "initializing");
	if (queued === null || inProgress === null || idle === null || running === null || initializing === null) return null;
	const source = "runpod_health";
	if (idle + running > 0) return { state: "warm", at, source };
	if (inProgress > 0) return null;
	return { state: initializing + queued > 0 ? "waking" : "cold", at, source };
}
