export type WarmthState = "warm" | "cold" | "starting" | "asleep" | "waking";

export type Admission = "serve" | "wait" | "refuse";

/** Whether there is a process that can serve. Cold: scaled to zero, and the next request starts it. Asleep: vLLM's sleep
 *  mode, which only `wake_up` ends. Time is passed in (virtual seconds), and timers are the caller's. */
export class Warmth {
	#state: WarmthState;
	#lastUse: number;
	#parked = new Set<() => void>();

	constructor(cold: boolean, now: number) {
		this.#lastUse = now;
		this.#state = cold ? "cold" : "warm";
	}

	get state(): WarmthState {
		return this.#state;
	}

	/** Requests that wait for the start or the waking. */
	get parked(): number {
		return this.#parked.size;
	}

	/** True when the replica scales to zero at this moment, idle for longer than `idleSeconds`. */
	coolIfIdle(now: number, idleSeconds: number | null): boolean {
		if (this.#state !== "warm" || idleSeconds === null || now - this.#lastUse <= idleSeconds) return false;
		this.#state = "cold";
		return true;
	}

	/** A request is being served, or just was. */
	use(now: number): void {
		this.#lastUse = now;
	}

	/** What a request meets. The caller starts the replica if it is cold. */
	admission(whileStarting: "wait" | "503"): Admission {
		switch (this.#state) {
			case "warm":
				return "serve";
			case "asleep":
			case "waking":
				return "wait";
			case "cold":
			case "starting":
				return whileStarting === "wait" ? "wait" : "refuse";
			default:
				return this.#state satisfies never;
		}
	}

	/** Calls back once it is warm. The result takes the request out again. */
	park(callback: () => void): () => void {
		this.#parked.add(callback);
		return () => {
			this.#parked.delete(callback);
		};
	}

	to(state: WarmthState, now: number): void {
		this.#state = state;
		if (state !== "warm") return;
		this.#lastUse = now;
		const parked = [...this.#parked];
		this.#parked.clear();
		for (const callback of parked) callback();
	}
}
