import type { Engine } from "./engine.ts";

/** Runs an engine's virtual time along the wall clock, `speed` times as fast: one timer, for the end of the step in progress.
 *  Steps that are due when it fires are run one after the other, so a late timer delays answers but never the engine. */
export class Pacer {
	readonly #engine: Engine;
	readonly #speed: number;
	readonly #origin = performance.now();
	#stepEnds: number | null = null;
	#timer: NodeJS.Timeout | null = null;
	#stopped = false;

	constructor(engine: Engine, speed: number) {
		this.#engine = engine;
		this.#speed = speed;
	}

	/** Virtual seconds since the start. */
	get now(): number {
		return ((performance.now() - this.#origin) / 1_000) * this.#speed;
	}

	/** Runs the steps that are due, so that what the caller does next meets the engine as it is at `now`. */
	catchUp(): void {
		const now = this.now;
		while (this.#stepEnds !== null && this.#stepEnds <= now) {
			const endedAt = this.#stepEnds;
			this.#engine.end();
			this.#stepEnds = this.#engine.begin(endedAt);
		}
	}

	/** To be called when the engine may have something to do; a step that starts now starts at `now`. */
	kick(now = this.now): void {
		if (this.#stopped) return;
		if (this.#stepEnds === null) this.#stepEnds = this.#engine.begin(now);
		this.#arm();
	}

	stop(): void {
		this.#stopped = true;
		if (this.#timer) clearTimeout(this.#timer);
	}

	#arm(): void {
		if (this.#timer || this.#stopped || this.#stepEnds === null) return;
		const milliseconds = Math.max(0, ((this.#stepEnds - this.now) / this.#speed) * 1_000);
		this.#timer = setTimeout(() => {
			this.#timer = null;
			this.catchUp();
			this.kick();
		}, milliseconds);
		// Whoever waits for an answer holds a connection open, and that keeps the process alive.
		this.#timer.unref();
	}
}
