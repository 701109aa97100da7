import type { PoolSpec } from "../fleet.ts";
import type { StartTimes } from "../start-times.ts";
import { bestRuns } from "./best-runs.ts";
import type { Demand } from "./needs.ts";
import { windowsOf, type Windows } from "./windows.ts";

const SCALE = 0.3;

/** One pool in the bound: the most that it can earn at given prices of requests, and whom it serves then. Its own prices say how much
 *  of a second's price is for being up and how much for the work that is done in it (it pays for both together no more than for the
 *  second), and what work costs where there is too much of it. */
export class BoundPool {
	readonly #demand: Demand;
	readonly #index: number;
	readonly #usdPerSecond: number;
	/** Of which order the prices of its work are: what the API costs for what takes it a second. */
	readonly #scale: number;
	readonly #startSeconds: readonly number[];
	readonly #windows: readonly Windows[];
	readonly #gains: Float64Array;
	/** Of the price, for being up. */
	#upShare: number;
	#work = 0;
	#up = 0;
	readonly served: Uint8Array;

	constructor(
		demand: Demand,
		index: number,
		{ zero, usdPerSecond, engine }: PoolSpec,
		starts: StartTimes,
		upShare: number,
	) {
		this.#demand = demand;
		this.#index = index;
		// A reserved one is paid for in any case.
		this.#usdPerSecond = zero ? usdPerSecond : 0;
		const seconds = demand.needs[index]!.reduce((sum, { work }) => sum + work, 0);
		this.#scale = (SCALE * demand.usd.reduce((sum, usd) => sum + usd, 0)) / Math.max(1e-9, seconds);
		this.#startSeconds = demand.at.map((at) => (zero ? starts.least(index, zero.start, at) : 0));
		this.#windows = windowsOf(demand.at, demand.needs[index]!, engine.runningMax);
		this.#gains = new Float64Array(demand.at.length);
		this.served = new Uint8Array(demand.at.length);
		this.#upShare = upShare;
	}

	/** The most that it can earn. */
	earn(value: Float64Array): number {
		const { at, from, needs } = this.#demand;
		const own = needs[this.#index]!;
		const usdPerWork = (1 - this.#upShare) * this.#usdPerSecond;
		own.forEach(({ slack, work }, k) => {
			this.#gains[k] = slack < 0 ? 0 : Math.max(0, value[k]! - usdPerWork * work - this.#limits(k));
		});
		const usdPerSecond = this.#upShare * this.#usdPerSecond;
		const options = { from, at, needs: own, startSeconds: this.#startSeconds, usdPerSecond };
		const { usd, upSeconds } = bestRuns(this.#gains, options, this.served);
		this.#up = upSeconds;
		this.#work = own.reduce((sum, { work }, k) => sum + (this.served[k] ? work : 0), 0);
		return usd + this.#windows.reduce((sum, windows) => sum + windows.usd, 0);
	}

	/** A step towards the prices at which it earns least. */
	adjust(step: number): void {
		for (const windows of this.#windows) windows.adjust(this.served, step * this.#scale);
		const both = this.#up + this.#work;
		if (both <= 0) return;
		const share = this.#upShare + (0.5 * step * (this.#up - this.#work)) / both;
		this.#upShare = Math.min(1, Math.max(0, share));
	}

	/** What it costs that there is no more work in a window than fits. */
	#limits(k: number): number {
		return this.#windows.reduce((sum, windows) => sum + windows.price(k), 0);
	}
}
