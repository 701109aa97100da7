import type { Seconds } from "../units.ts";

/** Plain JSON: when the last request came (null: never), then per bin the requests that came in it and the seconds waited in it. */
export interface StoredDemand {
	readonly lastAt: Seconds | null;
	readonly came: readonly number[];
	readonly waited: readonly number[];
}

/** A stretch of time since the last request in which the next one is about equally likely at any moment. */
export interface HazardBin {
	readonly from: Seconds;
	readonly to: Seconds;
	/** Requests a second, of those gaps that reach this bin. */
	readonly hazard: number;
}

const BINS_PER_DOUBLING = 4;
const DOUBLINGS = 17;
/** The first bin ends after a second; gaps longer than 36 hours count as 36 hours. */
const EDGES: readonly Seconds[] = [
	0,
	...Array.from({ length: BINS_PER_DOUBLING * DOUBLINGS + 1 }, (_, k) => 2 ** (k / BINS_PER_DOUBLING)),
];
export const DEMAND_BINS = EDGES.length - 1;
/** Each bin remembers about so many of the gaps that reached it. */
const MEMORY = 60;
/** Of the newest requests the times are known; so many make a mean of what follows one. */
const TIMES_MAX = 512;
const TIMES_MIN = 20;
/** A gap is as likely to end in a doubling of its length as not (`P(gap > t) = 1/t`, scale-free): believed like so many gaps that
 *  reached the bin. */
const PRIOR_GAPS = 1;

/** When the next request comes that a replica would serve if it was warm, by how long ago the last one was: the hazard is
 *  constant within a bin and learned there as a rate (requests over seconds waited), with a gamma prior. Bins are as wide as a fifth of
 *  their age. A bin forgets by gaps that reach it, so that busy hours do not wash out what is known of long pauses. */
export class Demand {
	readonly #came = new Float64Array(DEMAND_BINS);
	readonly #waited = new Float64Array(DEMAND_BINS);
	#lastAt: Seconds | null = null;
	/** When the last ones came, oldest first. */
	#times: readonly Seconds[] = [];
	#arrivals = 0;

	/** What is malformed in `stored` counts as nothing. */
	constructor(stored?: StoredDemand) {
		if (!stored || !isRow(stored.came) || !isRow(stored.waited)) return;
		this.#came.set(stored.came);
		this.#waited.set(stored.waited);
		if (typeof stored.lastAt === "number") this.#lastAt = stored.lastAt;
	}

	/** Seconds since the last request; null before the first. A clock that goes back stands still. */
	elapsed(now: Seconds): Seconds | null {
		return this.#lastAt === null ? null : Math.max(0, now - this.#lastAt);
	}

	/** Requests since this was made: as long as it stands still, so does all that follows from the demand. */
	get arrivals(): number {
		return this.#arrivals;
	}

	arrived(now: Seconds): void {
		this.#arrivals++;
		const gap = this.elapsed(now);
		this.#lastAt = Math.max(now, this.#lastAt ?? now);
		this.#times = [...this.#times.slice(1 - TIMES_MAX), this.#lastAt];
		if (gap === null) return;
		for (let bin = 0; bin < DEMAND_BINS; bin++) {
			const from = EDGES[bin]!;
			const to = EDGES[bin + 1]!;
			const isLast = gap < to || bin === DEMAND_BINS - 1;
			this.#came[bin]! *= 1 - 1 / MEMORY;
			this.#waited[bin]! *= 1 - 1 / MEMORY;
			this.#waited[bin]! += Math.min(gap, to) - from;
			if (isLast) {
				this.#came[bin]! += 1;
				return;
			}
		}
	}

	/** E[requests in the `seconds` after one], as it was of late; null where too few are known for that. */
	within(seconds: Seconds): number | null {
		const times = this.#times;
		let end = 0;
		let sum = 0;
		let count = 0;
		for (let n = 0; n < times.length && times[n]! + seconds <= times.at(-1)!; n++) {
			while (times[end]! <= times[n]! + seconds) end++;
			sum += end - n - 1;
			count++;
		}
		return count < TIMES_MIN ? null : sum / count;
	}

	/** Gaps that are remembered. */
	get seen(): number {
		return this.#came.reduce((sum, each) => sum + each, 0);
	}

	/** The bin in which `elapsed` lies. */
	static binAt(elapsed: Seconds): number {
		if (elapsed < 1) return 0;
		return Math.min(DEMAND_BINS - 1, 1 + Math.floor(Math.log2(elapsed) * BINS_PER_DOUBLING + 1e-9));
	}

	bin(index: number): HazardBin {
		const from = EDGES[index]!;
		const to = EDGES[index + 1]!;
		const waited = PRIOR_GAPS * (to - from);
		const came = waited / ((from + to) / 2);
		return { from, to, hazard: (this.#came[index]! + came) / (this.#waited[index]! + waited) };
	}

	stored(): StoredDemand {
		return { lastAt: this.#lastAt, came: [...this.#came], waited: [...this.#waited] };
	}
}

function isRow(row: unknown): row is readonly number[] {
	return Array.isArray(row) && row.length === DEMAND_BINS && row.every((each) => Number.isFinite(each) && each >= 0);
}
