import type { Seconds } from "../../src/shared/units.ts";

/** Something that is done at intervals while a request lasts, whatever it waits for. */
export class Beat {
	readonly #everyMs: number;
	readonly #run: () => void;
	#dueAt: number;

	constructor(every: Seconds, nowMs: number, run: () => void) {
		this.#everyMs = every * 1_000;
		this.#run = run;
		this.#dueAt = nowMs + this.#everyMs;
	}

	/** Unix milliseconds. */
	get dueAt(): number {
		return this.#dueAt;
	}

	/** Does it if it is due. */
	check(nowMs: number): void {
		// A timer may fire a millisecond early.
		if (nowMs < this.#dueAt - 1) return;
		this.#dueAt = nowMs + this.#everyMs;
		this.#run();
	}
}
