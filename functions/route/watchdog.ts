import type { Seconds } from "../../src/shared/units.ts";
import type { Beat } from "./beat.ts";
import type { RequestTimer } from "./request-timer.ts";
import { steadyMs } from "./steady-clock.ts";

/** What a call to a pool may be waiting for, and what ended it early. */
export type Phase = "headers" | "first_event" | "idle" | "total";

/** Aborts an upstream call that takes too long in its present phase, or in all. */
export class Watchdog {
	readonly #abort: AbortController;
	readonly #endsAt: number;
	readonly #beat: Beat;
	#phase: Phase = "total";
	#deadline: number;
	readonly #timer: RequestTimer;
	#expired: Phase | null = null;

	constructor(abort: AbortController, totalSeconds: Seconds, beat: Beat, timer: RequestTimer) {
		this.#abort = abort;
		this.#timer = timer;
		this.#beat = beat;
		this.#endsAt = steadyMs() + totalSeconds * 1_000;
		this.#deadline = this.#endsAt;
	}

	/** The phase whose time was over, if that is what ended the call. */
	get expired(): Phase | null {
		return this.#expired;
	}

	/** From now on the call must get on within `seconds`. */
	expect(phase: Phase, seconds: Seconds): void {
		this.#phase = phase;
		this.#deadline = steadyMs() + seconds * 1_000;
		this.#watch();
	}

	/** Nothing is expected until the next `expect`; only the whole call's time runs on. */
	rest(): void {
		this.#deadline = this.#endsAt;
	}

	stop(): void {
		this.#timer.stop();
	}

	#watch(): void {
		this.#timer.set(Math.min(this.#deadline, this.#endsAt, this.#beat.dueAt), this.#check);
	}

	readonly #check = (now: number): void => {
		// A timer may fire a millisecond early.
		if (now >= this.#endsAt - 1) this.#expire("total");
		else if (now >= this.#deadline - 1) this.#expire(this.#phase);
		else {
			this.#beat.check(now);
			this.#watch();
		}
	};

	#expire(phase: Phase): void {
		this.#expired = phase;
		this.#abort.abort(new Error(`${phase} time-out`));
	}
}
