// Plays jobs in a thread of its own.
import { parentPort, workerData } from "node:worker_threads";
import { runJob, type Job } from "./job.ts";
import { TraceStore } from "./traces/load.ts";

const store = new TraceStore(workerData);

parentPort!.on("message", (job: Job) => {
	runJob(store, job).then(
		(metrics) => parentPort!.postMessage({ metrics }),
		(error: unknown) => parentPort!.postMessage({ error: error instanceof Error ? error.message : String(error) }),
	);
});
