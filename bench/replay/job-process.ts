// Plays jobs in a process of its own. Its argument is the data directory.
import { runJob, type Job } from "./job.ts";
import { TraceStore } from "./traces/load.ts";

const store = new TraceStore(process.argv[2]!);

process.on("message", (job: Job) => {
	runJob(store, job).then(
		(metrics) => process.send?.({ metrics }),
		(error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
	);
});
process.on("disconnect", () => process.exit(0));
