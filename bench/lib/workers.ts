import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";

const PROCESSES_MAX = 8;

/** What a process answers to a job. */
export type Reply<Outcome> = { readonly outcome: Outcome } | { readonly error: string };

/** Processes that play jobs, as many as there are cores if not told otherwise. */
export class Workers<Job extends object, Outcome> {
	readonly #children: ChildProcess[];

	/** `path`: the program of a process, which calls `answerJobs`; `args`: its arguments. */
	constructor(path: string, args: readonly string[], count = Math.min(PROCESSES_MAX, availableParallelism())) {
		this.#children = Array.from({ length: count }, () => fork(path, args, { execArgv: [], serialization: "advanced" }));
	}

	/** The outcomes in the order of the jobs. Rejects with the first that fails. */
	async run(jobs: readonly Job[], onDone: (done: number) => void = () => {}): Promise<Outcome[]> {
		const outcomes: Outcome[] = Array.from({ length: jobs.length });
		let next = 0;
		let done = 0;
		await Promise.all(
			this.#children.map(async (child) => {
				while (next < jobs.length) {
					const index = next++;
					outcomes[index] = await play<Outcome>(child, jobs[index]!);
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

/** In a process of `Workers`: plays what is sent, until its parent is gone. */
export function answerJobs(run: (job: never) => Promise<unknown>): void {
	process.on("message", (job) => {
		// Its parent sends no others.
		run(job as never).then(
			(outcome) => process.send?.({ outcome }),
			(error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
		);
	});
	process.on("disconnect", () => process.exit(0));
}

async function play<Outcome>(child: ChildProcess, job: object): Promise<Outcome> {
	const exited = new AbortController();
	const onExit = (): void => exited.abort();
	child.once("exit", onExit);
	try {
		child.send(job);
		const [reply]: Reply<Outcome>[] = await once(child, "message", { signal: exited.signal });
		if (!reply || "error" in reply) throw new Error(reply?.error ?? "A process of the benchmark sent nothing.");
		return reply.outcome;
	} finally {
		child.off("exit", onExit);
	}
}
