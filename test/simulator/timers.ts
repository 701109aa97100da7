/** Timers in virtual seconds: real seconds times `speed`. With infinite speed everything is due at once. */
export class Timers {
	readonly #speed: number;
	readonly #open = new Set<NodeJS.Timeout>();

	constructor(speed: number) {
		this.#speed = speed;
	}

	/** Calls back after `seconds`; what is due now is called before this returns. The result cancels it. */
	after(seconds: number, callback: () => void): () => void {
		const milliseconds = (seconds / this.#speed) * 1_000;
		if (milliseconds <= 0) {
			callback();
			return () => {};
		}
		const timer = setTimeout(() => {
			this.#open.delete(timer);
			callback();
		}, milliseconds);
		return this.#track(timer);
	}

	/** Calls back every `seconds`, until it is cancelled; never when time stands still (infinite speed). */
	readonly every = (seconds: number, callback: () => void): (() => void) => {
		const milliseconds = (seconds / this.#speed) * 1_000;
		return milliseconds > 0 ? this.#track(setInterval(callback, milliseconds)) : () => {};
	};

	stop(): void {
		for (const timer of this.#open) clearTimeout(timer);
		this.#open.clear();
	}

	#track(timer: NodeJS.Timeout): () => void {
		this.#open.add(timer);
		return () => {
			clearTimeout(timer);
			this.#open.delete(timer);
		};
	}
}
