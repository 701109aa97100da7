import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Job } from "./job.ts";
import type { Metrics } from "./metrics.ts";

const THREADS_MAX = 8;

type Reply = { readonly metrics: Metrics[] } | { readonly error: string };

/** Threads that play jobs, as many as there are cores. */
export class Workers {
	readonly #workers: Worker[];

	constructor(dataDirectory: string) {
		const count = Math.min(THREADS_MAX, availableParallelism());
		this.#workers = Array.from(
			{ length: count },
			() => new Worker(new URL("job-worker.ts", import.meta.url), { workerData: dataDirectory }),
		);
	}

	/** The outcomes in the order of the jobs. Rejects with the first that fails. */
	async run(jobs: readonly Job[], onDone: (done: number) => void = () => {}): Promise<Metrics[][]> {
		const outcomes: Metrics[][] = Array.from({ length: jobs.length });
		let next = 0;
		let done = 0;
		await Promise.all(
			this.#workers.map(async (worker) => {
				while (next < jobs.length) {
					const index = next++;
					worker.postMessage(jobs[index]);
					const [reply]: [Reply] = (await once(worker, "message")) as [Reply];
					if ("error" in reply) throw new Error(reply.error);
					outcomes[index] = reply.metrics;
					onDone(++done);
				}
			}),
		);
		return outcomes;
	}

	async stop(): Promise<void> {
		await Promise.all(this.#workers.map((worker) => worker.terminate()));
	}
}
