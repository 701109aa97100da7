/** When an idle box goes, and when it is started again before anybody asks. */
export interface Windows {
	/** Seconds after the last request until it is started again; 0: it stays. */
	readonly prewarm: number;
	/** Seconds for which it is then kept. */
	readonly keep: number;
}

export interface HistogramOptions {
	readonly headPercentile: number;
	readonly tailPercentile: number;
}

const BIN_SECONDS = 60;
const BINS = 240;
const RANGE_SECONDS = BIN_SECONDS * BINS;
/** Share of idle times beyond the range from which the histogram is not asked. */
const OUT_OF_BOUNDS_SHARE = 0.5;
/** Coefficient of variation of the bins' counts under which they tell nothing. */
const REPRESENTATIVE = 2;
const MARGIN = 0.1;
const FORECAST_MARGIN = 0.15;
/** Of the newest idle time in the forecast. */
const FORECAST_GAIN = 0.3;

/** The hybrid histogram policy of "Serverless in the Wild" (Shahrad and others, USENIX ATC 2020): idle times in bins of a minute over
 *  four hours. Where most are beyond that, the next one is forecast, here by an exponential mean in the place of their ARIMA model. */
export class IdleHistogram {
	readonly #options: HistogramOptions;
	readonly #bins = new Float64Array(BINS);
	#count = 0;
	#outside = 0;
	#forecast = 0;

	constructor(options: HistogramOptions) {
		this.#options = options;
	}

	observe(seconds: number): void {
		this.#forecast += this.#count + this.#outside === 0 ? seconds : FORECAST_GAIN * (seconds - this.#forecast);
		if (seconds >= RANGE_SECONDS) {
			this.#outside++;
			return;
		}
		this.#bins[Math.floor(seconds / BIN_SECONDS)]!++;
		this.#count++;
	}

	windows(): Windows {
		const all = this.#count + this.#outside;
		if (all === 0) return { prewarm: 0, keep: RANGE_SECONDS };
		if (this.#outside / all >= OUT_OF_BOUNDS_SHARE) {
			const prewarm = this.#forecast * (1 - FORECAST_MARGIN);
			return { prewarm, keep: 2 * FORECAST_MARGIN * this.#forecast };
		}
		if (this.#variation() < REPRESENTATIVE) return { prewarm: 0, keep: RANGE_SECONDS };
		const { headPercentile, tailPercentile } = this.#options;
		// The head is rounded down to its bin, the tail up.
		const prewarm = this.#binAt(headPercentile) * BIN_SECONDS * (1 - MARGIN);
		const tail = (this.#binAt(tailPercentile) + 1) * BIN_SECONDS * (1 + MARGIN);
		return { prewarm, keep: tail - prewarm };
	}

	#variation(): number {
		const mean = this.#count / BINS;
		const square = this.#bins.reduce((sum, count) => sum + (count - mean) ** 2, 0) / BINS;
		return Math.sqrt(square) / mean;
	}

	#binAt(percentile: number): number {
		let left = (percentile / 100) * this.#count;
		return Math.max(
			0,
			this.#bins.findIndex((count) => (left -= count) <= 0 && count > 0),
		);
	}
}
