import type { Seconds } from "../units.ts";
import { Lru, type Rows } from "./lru.ts";

/** Without lower values, the minimum doubles in this time: a route that has become longer is noticed. */
const DOUBLING_SECONDS = 1_800;
/** Without any values, an estimate is half-way back at the catalog's in this time: a pool that once looked far is
 *  tried again. */
const HALF_LIFE_SECONDS = 1_800;
const ROUND_TRIP_MIN = 0.0001;
/** What takes longer than this is not the network. */
const ROUND_TRIP_MAX = 1;
const PAIRS_MAX = 4_096;

/** Round trips between edge places and pools, learned from the time to the response headers of streams: a minimum
 *  that slowly rises, since much besides the way can hold a request up but nothing makes it arrive sooner. Where a
 *  pool sends its headers with the first token, this holds some of its TTFT, which the fit of the TTFT then lacks:
 *  their sum stays right. */
export class RoundTrips {
	readonly #rows: Lru;

	/** `rows` are those of a `snapshot()`; what is malformed in them is left out. */
	constructor(pairsMax = PAIRS_MAX, rows: Rows = []) {
		this.#rows = new Lru(pairsMax, 2, rows);
	}

	/** A stream's headers came after so many seconds. Ignored unless that is finite and positive. */
	observe(edge: string, pool: string, headers: Seconds, now: Seconds): void {
		if (!(headers > 0 && headers < Infinity && Number.isFinite(now))) return;
		const name = pair(edge, pool);
		const seconds = clamp(headers);
		const [least, at] = this.#rows.get(name) ?? [seconds, now];
		const risen = least! * 2 ** (Math.max(0, now - at!) / DOUBLING_SECONDS);
		this.#rows.set(name, [Math.min(seconds, risen), now]);
	}

	/** Seconds there and back. `prior` (the catalog's) stands for a pair that was not observed, and slowly again for
	 *  one that no longer is. */
	expected(edge: string, pool: string, prior: Seconds, now: Seconds): Seconds {
		const known = clamp(prior);
		const row = this.#rows.get(pair(edge, pool));
		if (!row) return known;
		const elapsed = now - row[1]!;
		const keep = elapsed > 0 ? 2 ** (-elapsed / HALF_LIFE_SECONDS) : 1;
		return clamp(known + (row[0]! - known) * keep);
	}

	/** `rows` for the constructor, plain JSON. */
	snapshot(): Rows {
		return this.#rows.entries();
	}
}

/** Pool ids hold no space, so the last one divides. */
function pair(edge: string, pool: string): string {
	return `${edge} ${pool}`;
}

function clamp(seconds: Seconds): Seconds {
	return seconds > ROUND_TRIP_MIN ? Math.min(seconds, ROUND_TRIP_MAX) : ROUND_TRIP_MIN;
}
