import type { Seconds } from "../units.ts";

/** Plain JSON: when the last request came (null: never), then of each bin that was reached its number, the requests that came in
 *  it and the seconds waited in it, one behind the other. */
export interface StoredDemand {
	readonly lastAt: Seconds | null;
	readonly bins: readonly number[];
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
/** Clocks of isolates differ by so much without having been set back. */
const CLOCK_SLACK: Seconds = 1;
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
	/** When the last ones came, oldest first: up to twice `TIMES_MAX`. */
	#times: Seconds[] = [];
	#arrivals = 0;

	/** What is malformed in `stored` counts as nothing. */
	constructor(stored?: StoredDemand) {
		if (!stored || !isRow(stored.bins)) return;
		for (let at = 0; at < stored.bins.length; at += 3) {
			const [bin, came, waited] = stored.bins.slice(at, at + 3);
			this.#came[bin!] = came!;
			this.#waited[bin!] = waited!;
		}
		if (typeof stored.lastAt === "number") this.#lastAt = stored.lastAt;
	}

	/** Seconds since the last request; null before the first. */
	elapsed(now: Seconds): Seconds | null {
		return this.#lastAt === null ? null : Math.max(0, now - this.#lastAt);
	}

	/** Requests since this was made: as long as it stands still, so does all that follows from the demand. */
	get arrivals(): number {
		return this.#arrivals;
	}

	arrived(now: Seconds): void {
		this.#arrivals++;
		const isBack = now < (this.#lastAt ?? now) - CLOCK_SLACK;
		// Of a clock that was ahead and has been set back nothing is learned, and all begins anew from what it says now.
		const gap = isBack ? null : this.elapsed(now);
		this.#lastAt = isBack ? now : Math.max(now, this.#lastAt ?? now);
		if (isBack) this.#times = [];
		this.#times.push(this.#lastAt);
		// Cut now and then, not at each request.
		if (this.#times.length >= 2 * TIMES_MAX) this.#times = this.#times.slice(-TIMES_MAX);
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
		const bins: number[] = [];
		for (let bin = 0; bin < DEMAND_BINS; bin++) {
			if (this.#waited[bin]! > 0) bins.push(bin, rounded(this.#came[bin]!), rounded(this.#waited[bin]!));
		}
		return { lastAt: this.#lastAt, bins };
	}
}

function isRow(row: unknown): row is readonly number[] {
	if (!Array.isArray(row) || row.length % 3 !== 0) return false;
	return row.every((each, at) => Number.isFinite(each) && each >= 0 && (at % 3 > 0 || isBin(each)));
}

function isBin(value: number): boolean {
	return Number.isInteger(value) && value < DEMAND_BINS;
}

/** To four digits. */
function rounded(value: number): number {
	return Number(value.toPrecision(4));
}
