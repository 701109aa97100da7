/** Parts of a vLLM engine's memory that sleep and wake by themselves. */
export const SLEEP_TAGS = ["weights", "kv_cache"] as const;
export type SleepTag = (typeof SLEEP_TAGS)[number];

/** What of an engine's memory sleeps, and whether its weights are those of the model. */
export class SleepMode {
	readonly #asleep = new Set<SleepTag>();
	#weights: "loaded" | "discarded" = "loaded";

	get weights(): "loaded" | "discarded" {
		return this.#weights;
	}

	get isOver(): boolean {
		return this.#asleep.size === 0;
	}

	sleep(level: 1 | 2): void {
		for (const tag of SLEEP_TAGS) this.#asleep.add(tag);
		if (level === 2) this.#weights = "discarded";
	}

	/** Which of these slept, and do no longer. */
	wake(tags: readonly SleepTag[]): SleepTag[] {
		return tags.filter((tag) => this.#asleep.delete(tag));
	}

	reload(): void {
		this.#weights = "loaded";
	}

	/** It is awake without having been woken part by part: as another process, or by the engine itself. */
	end(): void {
		this.#asleep.clear();
	}
}
