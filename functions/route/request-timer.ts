import type { Seconds } from "../../src/shared/units.ts";
import type { Beat } from "./beat.ts";
import { steadyMs, whenSteady } from "./steady-clock.ts";

/** The one timer of a request, which has at most one thing to wait for at a time: the scheduler's answer, then the pool's.
 *  Moving what is due to later is an assignment and not a new timer, because a small request moves it several times within
 *  milliseconds, and an answer with every chunk. */
export class RequestTimer {
	#disarm: (() => void) | undefined;
	#firesAt = Infinity;
	#dueAt = Infinity;
	#run: ((nowMs: number) => void) | undefined;

	/** Calls `run` once it is `at` (`steadyMs`), in place of what was due before. */
	set(at: number, run: (nowMs: number) => void): void {
		this.#dueAt = at;
		this.#run = run;
		if (at < this.#firesAt) this.#arm();
	}

	/** Nothing is due. */
	clear(): void {
		this.#dueAt = Infinity;
		this.#run = undefined;
	}

	/** The request is over. */
	stop(): void {
		this.clear();
		this.#disarm?.();
		this.#disarm = undefined;
		this.#firesAt = Infinity;
	}

	/** Rejects when `promise` takes longer. The call itself goes on: callers must bear its late effect. What waits for long
	 *  has its beat meanwhile. */
	within<T>(seconds: Seconds, promise: Promise<T>, beat?: Beat): Promise<T> {
		return new Promise((resolve, reject) => {
			const deadline = steadyMs() + seconds * 1_000;
			const check = (now: number): void => {
				// A timer may fire a millisecond early.
				if (now >= deadline - 1) return reject(new Error(`no answer in ${seconds} s`));
				beat?.check(now);
				this.set(Math.min(deadline, beat?.dueAt ?? Infinity), check);
			};
			this.set(Math.min(deadline, beat?.dueAt ?? Infinity), check);
			// An answer that comes too late finds something else to be due.
			const came = (): void => {
				if (this.#run === check) this.clear();
			};
			promise.then(
				(value) => (came(), resolve(value)),
				(error: unknown) => (came(), reject(error)),
			);
		});
	}

	#arm(): void {
		this.#disarm?.();
		this.#firesAt = this.#dueAt;
		this.#disarm = whenSteady(this.#dueAt, (now) => this.#fired(now));
	}

	#fired(now: number): void {
		this.#disarm = undefined;
		this.#firesAt = Infinity;
		// A timer may fire a millisecond early.
		if (this.#dueAt > now + 1) {
			if (this.#dueAt < Infinity) this.#arm();
			return;
		}
		const run = this.#run;
		this.clear();
		run?.(now);
	}
}
