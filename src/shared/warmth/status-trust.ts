import type { Seconds } from "../units.ts";
import type { WarmthSignal } from "./signal.ts";

/** A status that an answer contradicts so soon after was wrong: nothing scales to zero and is asked again in less. */
const CONTRADICTION: Seconds = 10;
/** After that nothing more is believed of it for so long, twice as long after each further time. */
const DEAF_MIN: Seconds = 60;
const DEAF_MAX: Seconds = 3_600;

/** How far a provider's word on one replica is believed. One that says warm while requests find nobody there would send each
 *  next request into the same wall, one more with every reading. */
export class StatusTrust {
	#warmAt: Seconds = -Infinity;
	#wrong = 0;
	#deafUntil: Seconds = -Infinity;

	/** A status was read: whether to believe it. */
	believes({ state }: WarmthSignal, now: Seconds): boolean {
		if (now < this.#deafUntil) return false;
		this.#warmAt = state === "warm" ? now : -Infinity;
		return true;
	}

	/** An answer has shown whether an engine was there. True when a status was wrong. */
	shown(isWarm: boolean, now: Seconds): boolean {
		const isOf = now - this.#warmAt <= CONTRADICTION;
		this.#warmAt = -Infinity;
		if (!isOf) return false;
		this.#wrong = isWarm ? 0 : this.#wrong + 1;
		if (!isWarm) this.#deafUntil = now + Math.min(DEAF_MAX, DEAF_MIN * 2 ** (this.#wrong - 1));
		return !isWarm;
	}
}
