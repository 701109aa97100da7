import type { Seconds } from "../../src/shared/units.ts";

/** What a call to a pool may be waiting for, and what ended it early. */
export type Phase = "headers" | "first_event" | "idle" | "total";

/** Something that is done at intervals while the call lasts. */
export interface Beat {
	readonly seconds: Seconds;
	run(): void;
}

/** Aborts an upstream call that takes too long in its present phase, or in all. Moving the deadline is an assignment, not a
 *  new timer, because an answer moves it with every chunk. */
export class Watchdog {
	readonly #abort: AbortController;
	readonly #endsAt: number;
	readonly #beat: Beat;
	#beatAt: number;
	#firesAt = Infinity;
	#phase: Phase = "total";
	#deadline: number;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#expired: Phase | null = null;

	constructor(abort: AbortController, totalSeconds: Seconds, beat: Beat) {
		this.#abort = abort;
		this.#beat = beat;
		this.#beatAt = Date.now() + beat.seconds * 1_000;
		this.#endsAt = Date.now() + totalSeconds * 1_000;
		this.#deadline = this.#endsAt;
	}

	/** The phase whose time was over, if that is what ended the call. */
	get expired(): Phase | null {
		return this.#expired;
	}

	/** From now on the call must get on within `seconds`. */
	expect(phase: Phase, seconds: Seconds): void {
		const deadline = Date.now() + seconds * 1_000;
		this.#phase = phase;
		this.#deadline = deadline;
		if (this.#timer === undefined || deadline < this.#firesAt) this.#arm();
	}

	/** Nothing is expected until the next `expect`; only the whole call's time runs on. */
	rest(): void {
		this.#deadline = this.#endsAt;
	}

	stop(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
	}

	#arm(): void {
		clearTimeout(this.#timer);
		const at = Math.min(this.#deadline, this.#endsAt, this.#beatAt);
		this.#firesAt = at;
		this.#timer = setTimeout(() => this.#check(), Math.max(0, at - Date.now()));
	}

	#check(): void {
		const now = Date.now();
		// A timer may fire a millisecond early.
		if (now >= this.#endsAt - 1) this.#expire("total");
		else if (now >= this.#deadline - 1) this.#expire(this.#phase);
		else {
			if (now >= this.#beatAt - 1) {
				this.#beatAt = now + this.#beat.seconds * 1_000;
				this.#beat.run();
			}
			this.#arm();
		}
	}

	#expire(phase: Phase): void {
		this.#expired = phase;
		this.#timer = undefined;
		this.#abort.abort(new Error(`${phase} time-out`));
	}
}
