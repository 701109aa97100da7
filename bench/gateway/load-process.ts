// The load generator: a process of its own, so that what the benchmark does besides never delays a request.
import { runClosed } from "./closed-loop.ts";
import type { ClosedJob, OpenJob } from "./jobs.ts";
import { runOpen } from "./open-loop.ts";

process.on("message", (job: ClosedJob | OpenJob) => {
	void (job.kind === "closed" ? runClosed(job) : runOpen(job)).then((outcome) => process.send?.(outcome));
});
process.on("disconnect", () => process.exit(0));
