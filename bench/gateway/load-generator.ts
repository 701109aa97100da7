import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Aim, ClosedJob, ClosedOutcome, OpenJob, OpenOutcome } from "./jobs.ts";

/** One answer in a thousand may be wrong; with more, the figures would not be of the work that they claim. */
const WRONG_SHARE_MAX = 0.001;

/** The bench's side of the process that makes the load. One job at a time. */
export class LoadGenerator {
	readonly #child: ChildProcess;

	constructor() {
		this.#child = fork(join(import.meta.dirname, "load-process.ts"), { execArgv: [], serialization: "advanced" });
	}

	/** Rejects when more answers were wrong than may be. */
	run(job: ClosedJob): Promise<ClosedOutcome>;
	run(job: OpenJob): Promise<OpenOutcome>;
	async run(job: ClosedJob | OpenJob): Promise<ClosedOutcome | OpenOutcome> {
		const exited = new AbortController();
		const onExit = (): void => exited.abort();
		this.#child.once("exit", onExit);
		try {
			this.#child.send(job);
			const [outcome] = await once(this.#child, "message", { signal: exited.signal });
			return checked(job, outcome);
		} finally {
			this.#child.off("exit", onExit);
		}
	}

	stop(): void {
		if (this.#child.connected) this.#child.disconnect();
	}
}

function checked<T extends ClosedOutcome | OpenOutcome>({ title }: Aim, outcome: T): T {
	const { good, wrong, example } = outcome;
	if (wrong > WRONG_SHARE_MAX * (good + wrong))
		throw new Error(`${title}: ${wrong} of ${good + wrong} answers were wrong, such as: ${example}`);
	return outcome;
}
