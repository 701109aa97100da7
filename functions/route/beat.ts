import type { Seconds } from "../../src/shared/units.ts";

/** Something that becomes due while a request lasts. */
export interface Due {
	/** By `steadyMs`; infinite: never again. */
	readonly dueAt: number;
	/** Does it if it is due. */
	check(nowMs: number): void;
}

/** Something that is done at intervals while a request lasts, whatever it waits for; and what else becomes due meanwhile, so
 *  that one timer serves for all. */
export class Beat implements Due {
	readonly #everyMs: number;
	readonly #run: () => void;
	readonly #others: Due[] = [];
	#dueAt: number;

	constructor(every: Seconds, nowMs: number, run: () => void) {
		this.#everyMs = every * 1_000;
		this.#run = run;
		this.#dueAt = nowMs + this.#everyMs;
	}

	/** Looks after this too from now on. */
	add(other: Due): void {
		this.#others.push(other);
	}

	get dueAt(): number {
		let dueAt = this.#dueAt;
		for (const other of this.#others) dueAt = Math.min(dueAt, other.dueAt);
		return dueAt;
	}

	check(nowMs: number): void {
		for (const other of this.#others) other.check(nowMs);
		// A timer may fire a millisecond early.
		if (nowMs < this.#dueAt - 1) return;
		this.#dueAt = nowMs + this.#everyMs;
		this.#run();
	}
}
