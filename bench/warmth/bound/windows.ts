import { TTFT_GOAL_SECONDS } from "../metrics.ts";
import type { Need } from "./needs.ts";

/** A kind of work of which a pool can do no more in a window than fits, and what a second of it is worth in each: prices that keep
 *  it from serving more. */
export class Windows {
	readonly #of: readonly number[];
	/** Seconds of work, by request. */
	readonly #work: readonly number[];
	/** USD per second of work. */
	readonly #prices: Float64Array;
	readonly #loads: Float64Array;
	/** Seconds of work in one window. */
	readonly #capacity: number;

	constructor(at: readonly number[], work: readonly number[], seconds: number, capacity: number) {
		const first = Math.floor((at[0] ?? 0) / seconds);
		this.#of = at.map((each) => Math.floor(each / seconds) - first);
		this.#work = work;
		const count = (this.#of.at(-1) ?? 0) + 1;
		this.#prices = new Float64Array(count);
		this.#loads = new Float64Array(count);
		this.#capacity = capacity;
	}

	/** What the work for request `k` costs. */
	price(k: number): number {
		return this.#prices[this.#of[k]!]! * this.#work[k]!;
	}

	/** What all capacity is worth. */
	get usd(): number {
		return this.#capacity * this.#prices.reduce((sum, price) => sum + price, 0);
	}

	/** Makes windows dearer in which more was served than can be, and the others cheaper. `step`: USD per second of work where twice
	 *  as much was served. */
	adjust(served: Uint8Array, step: number): void {
		this.#loads.fill(0);
		served.forEach((isServed, k) => {
			if (isServed) this.#loads[this.#of[k]!]! += this.#work[k]!;
		});
		this.#loads.forEach((load, window) => {
			const over = Math.min(1, load / this.#capacity - 1);
			this.#prices[window] = Math.max(0, this.#prices[window]! + step * over);
		});
	}
}

const LONG_SECONDS = 240;
const SHORT_SECONDS = 4;

/** What arrives in a long window and is served within the goal is done by its end and the goal, but for as many as can still run
 *  then; what arrives in a short one has its prompt computed by its end and the goal. */
export function windowsOf(at: readonly number[], needs: readonly Need[], runningMax: number): readonly Windows[] {
	const longest = needs.reduce((most, { work }) => Math.max(most, work), 0);
	const work = needs.map((need) => need.work);
	const prefill = needs.map((need) => need.prefill);
	return [
		new Windows(at, work, LONG_SECONDS, LONG_SECONDS + TTFT_GOAL_SECONDS + runningMax * longest),
		new Windows(at, prefill, SHORT_SECONDS, SHORT_SECONDS + TTFT_GOAL_SECONDS),
	];
}
