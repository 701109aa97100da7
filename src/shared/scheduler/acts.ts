import type { Seconds } from "../units.ts";
import type { ReplicaName } from "./messages.ts";

/** What a scheduler did to a replica's warmth of its own accord, and why. */
export interface Act {
	/** Unix seconds. */
	readonly at: Seconds;
	readonly replica: ReplicaName;
	readonly act: "wake" | "keep" | "let_go" | "idle_timeout";
	/** `demand`: the next request is likely enough, or no longer; `regret`: going elsewhere has cost the price of the start;
	 *  `waiting`: requests wait for it. */
	readonly reason: "demand" | "regret" | "waiting";
	/** The numbers behind it, by name: USD, seconds, requests a second. */
	readonly because: Readonly<Record<string, number>>;
}

const ACTS_MAX = 100;
/** Acts that nobody has asked for yet; of more the oldest are left out. */
const FRESH_MAX = 1_000;

/** The last acts, oldest first. */
export class ActLog {
	#acts: readonly Act[] = [];
	#fresh: Act[] = [];

	add(act: Act): void {
		this.#acts = [...this.#acts.slice(1 - ACTS_MAX), act];
		if (this.#fresh.length === FRESH_MAX) this.#fresh.shift();
		this.#fresh.push(act);
	}

	/** Those that were added since this was last asked. */
	takeFresh(): readonly Act[] {
		const fresh = this.#fresh;
		this.#fresh = [];
		return fresh;
	}

	get last(): readonly Act[] {
		return this.#acts;
	}
}
