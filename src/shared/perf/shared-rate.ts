import type { Seconds } from "../units.ts";
import { DecayingRate } from "./decaying-rate.ts";

/** How much of something comes a second, of late, where several count a part of it each and tell one another. What was told
 *  fades as if nothing had come there since. */
export class SharedRate {
	readonly #memory: Seconds;
	readonly #own: DecayingRate;
	readonly #told = new Map<string, { readonly perSecond: number; readonly at: Seconds }>();
	/** Of all that was told, at one moment. */
	#others = 0;
	#at: Seconds = 0;

	constructor(memory: Seconds) {
		this.#memory = memory;
		this.#own = new DecayingRate(memory);
	}

	add(amount: number, now: Seconds): void {
		this.#own.add(amount, now);
	}

	/** What was counted here. */
	own(now: Seconds): number {
		return this.#own.perSecond(now);
	}

	/** In all. */
	perSecond(now: Seconds): number {
		const own = this.#own.perSecond(now);
		return this.#others === 0 ? own : own + this.#others * this.#kept(this.#at, now);
	}

	/** `from` counts so much a second. Its last word stands for all before. */
	hear(from: string, perSecond: number, now: Seconds): void {
		this.#told.set(from, { perSecond, at: now });
		this.#others = 0;
		this.#at = now;
		for (const told of this.#told.values()) this.#others += told.perSecond * this.#kept(told.at, now);
	}

	#kept(at: Seconds, now: Seconds): number {
		return Math.exp(-Math.max(0, now - at) / this.#memory);
	}
}
