import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Job } from "./job.ts";
import type { Metrics } from "./metrics.ts";

const PROCESSES_MAX = 8;

type Reply = { readonly metrics: Metrics[] } | { readonly error: string };

/** Processes that play jobs, as many as there are cores. */
export class Workers {
	readonly #children: ChildProcess[];

	constructor(dataDirectory: string) {
		const path = join(import.meta.dirname, "job-process.ts");
		this.#children = Array.from({ length: Math.min(PROCESSES_MAX, availableParallelism()) }, () =>
			fork(path, [dataDirectory], { execArgv: [], serialization: "advanced" }),
		);
	}

	/** The outcomes in the order of the jobs. Rejects with the first that fails. */
	async run(jobs: readonly Job[], onDone: (done: number) => void = () => {}): Promise<Metrics[][]> {
		const outcomes: Metrics[][] = Array.from({ length: jobs.length });
		let next = 0;
		let done = 0;
		await Promise.all(
			this.#children.map(async (child) => {
				while (next < jobs.length) {
					const index = next++;
					outcomes[index] = await play(child, jobs[index]!);
					onDone(++done);
				}
			}),
		);
		return outcomes;
	}

	stop(): void {
		for (const child of this.#children) if (child.connected) child.disconnect();
	}
}

async function play(child: ChildProcess, job: Job): Promise<Metrics[]> {
	const exited = new AbortController();
	const onExit = (): void => exited.abort();
	child.once("exit", onExit);
	try {
		child.send(job);
		const [reply]: Reply[] = await once(child, "message", { signal: exited.signal });
		if (!reply || "error" in reply) throw new Error(reply?.error ?? "A process of the replay sent nothing.");
		return reply.metrics;
	} finally {
		child.off("exit", onExit);
	}
}
