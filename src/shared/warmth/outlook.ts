import type { Seconds, Usd } from "../units.ts";
import { Demand, DEMAND_BINS, type HazardBin } from "./demand.ts";
import type { Misses } from "./misses.ts";

/** What there is to lose and to save at a replica that may be let go cold. */
export interface Stakes {
	/** Of a second in which it is warm and nobody uses it. */
	readonly idleUsdPerSecond: Usd;
	/** E[seconds] of a start. */
	readonly startSeconds: Seconds;
	/** Of a start that nobody waits for. */
	readonly startUsd: Usd;
	/** What requests lose that find it cold. */
	readonly misses: Misses;
}

/** Of a start that is under way when a request comes, so much is left on average. */
const LEFT = 0.5;
/** The loss and what follows from it depend on one another; by then it changes by less than a hundredth. */
const ROUNDS = 6;

/** What is to be expected until the next request, if the replica is warm or cold now, when from here on all is done as is
 *  cheapest: keep it warm for so long, let it go, start it again in time. It is a renewal: with the next request all begins
 *  anew, so that what is cheapest until then is cheapest at all. Solved backwards over the bins of the hazard, with `p` the price of
 *  an idle second and `L` the loss when a request comes and it is cold:
 *
 *      warm(k) = p E[s in the bin] + P(none comes) min(warm(k + 1), cold(k + 1))
 *      cold(k) = min(P(one comes) L + P(none) cold(k + 1),  start now)
 *      L       = miss + P(it goes elsewhere) min(cold(0) - warm(0), a start with the misses during it)
 *
 *  With a constant hazard h this keeps it warm while `h > p / L`, the break-even of renting and buying (Karlin and others 1994). */
export class Outlook {
	readonly #demand: Demand;
	readonly #stakes: Stakes;
	#lossUsd: Usd;
	/** What a request loses that comes during a start, with those that follow it. */
	readonly #wakingUsd: Usd;
	/** USD at the beginning of each bin. */
	readonly #warm = new Float64Array(DEMAND_BINS + 1);
	readonly #cold = new Float64Array(DEMAND_BINS + 1);
	/** Whether to start it at the beginning of each bin, where it is cold. */
	readonly #isStart = new Uint8Array(DEMAND_BINS + 1);

	constructor(demand: Demand, stakes: Stakes) {
		this.#demand = demand;
		this.#stakes = stakes;
		const { misses, startUsd, startSeconds } = stakes;
		const start = startUsd + misses.usd * this.#requestsWithin(startSeconds);
		this.#wakingUsd = misses.usd * (1 + this.#requestsWithin(LEFT * startSeconds));
		this.#lossUsd = misses.usd + misses.passed * start;
		for (let round = 0; round < ROUNDS; round++) {
			this.#solve();
			const behind = Math.max(0, this.#cold[0]! - this.#warm[0]!);
			this.#lossUsd = misses.usd + misses.passed * Math.min(start, behind);
		}
		this.#solve();
	}

	/** What it costs in all when a request finds it cold. */
	get lossUsd(): Usd {
		return this.#lossUsd;
	}

	/** E[USD until the next request] when it is warm for another `seconds` at least and none has come for `elapsed`. */
	keptFor(elapsed: Seconds, seconds: Seconds): Usd {
		let usd = 0;
		let reach = 1;
		let at = elapsed;
		const until = elapsed + seconds;
		for (let k = Demand.binAt(elapsed); at < until && k < DEMAND_BINS; k++) {
			const bin = this.#demand.bin(k);
			const end = k === DEMAND_BINS - 1 ? until : Math.min(bin.to, until);
			const { idle, none } = through(bin, end - at, this.#stakes.idleUsdPerSecond);
			usd += reach * idle;
			reach *= none;
			at = end;
		}
		return usd + reach * Math.min(this.#at(this.#warm, until), this.#at(this.#cold, until));
	}

	/** E[USD until the next request] when it is cold and none has come for `elapsed`. */
	cold(elapsed: Seconds): Usd {
		return this.#at(this.#cold, elapsed);
	}

	/** Whether it is worth being kept for `seconds` more, which cannot be taken back: being cold would be dearer. */
	isWorthKeeping(elapsed: Seconds, seconds: Seconds): boolean {
		return this.keptFor(elapsed, seconds) < this.cold(elapsed);
	}

	/** The seconds since the last request at which it is let go, of one that is warm `elapsed` after it. */
	letGoAt(elapsed: Seconds): Seconds {
		for (let k = Demand.binAt(elapsed); k < DEMAND_BINS; k++) {
			if (this.#warm[k]! >= this.#cold[k]!) return Math.max(elapsed, this.#demand.bin(k).from);
		}
		return Infinity;
	}

	/** The seconds since the last request at which it is started again, of one that is cold `elapsed` after it; Infinity: never. */
	startAt(elapsed: Seconds): Seconds {
		for (let k = Demand.binAt(elapsed); k < DEMAND_BINS; k++) {
			if (this.#isStart[k]) return Math.max(elapsed, this.#demand.bin(k).from);
		}
		return Infinity;
	}

	/** E[requests a second] `elapsed` after the last one, and from how many on it is worth being warm. */
	hazard(elapsed: Seconds): { perSecond: number; breakEven: number } {
		const { hazard } = this.#demand.bin(Demand.binAt(elapsed));
		return { perSecond: hazard, breakEven: this.#stakes.idleUsdPerSecond / this.#lossUsd };
	}

	#solve(): void {
		const lossUsd = this.#lossUsd;
		// Beyond the last bin: one comes some day.
		this.#warm[DEMAND_BINS] = lossUsd;
		this.#cold[DEMAND_BINS] = lossUsd;
		for (let k = DEMAND_BINS - 1; k >= 0; k--) {
			const bin = this.#demand.bin(k);
			const { idle, none } = through(bin, bin.to - bin.from, this.#stakes.idleUsdPerSecond);
			this.#warm[k] = idle + none * Math.min(this.#warm[k + 1]!, this.#cold[k + 1]!);
			const wait = (1 - none) * lossUsd + none * this.#cold[k + 1]!;
			const start = this.#startCost(bin.from);
			this.#isStart[k] = start < wait ? 1 : 0;
			this.#cold[k] = Math.min(wait, start);
		}
	}

	/** E[requests] in the `seconds` after one, as if each gap was like the first: `P(gap < s) s / E[min(gap, s)]`. */
	#requestsWithin(seconds: Seconds): number {
		let none = 1;
		let waited = 0;
		let at = 0;
		for (let k = 0; at < seconds && k < DEMAND_BINS; k++) {
			const bin = this.#demand.bin(k);
			const end = Math.min(seconds, bin.to);
			const each = through(bin, end - at, 1);
			waited += none * each.idle;
			none *= each.none;
			at = end;
		}
		return waited > 0 ? ((1 - none) * seconds) / waited : 0;
	}

	/** Of starting it at `elapsed`: a request that comes meanwhile still misses it. */
	#startCost(elapsed: Seconds): Usd {
		const { startUsd, startSeconds } = this.#stakes;
		const ready = elapsed + startSeconds;
		let none = 1;
		let at = elapsed;
		for (let k = Demand.binAt(elapsed); at < ready && k < DEMAND_BINS; k++) {
			const { to, hazard } = this.#demand.bin(k);
			const end = Math.min(ready, k === DEMAND_BINS - 1 ? ready : to);
			none *= Math.exp(-hazard * (end - at));
			at = end;
		}
		return startUsd + (1 - none) * this.#wakingUsd + none * this.#at(this.#warm, ready);
	}

	/** Between the beginnings of two bins, as at the nearer one. */
	#at(values: Float64Array, elapsed: Seconds): Usd {
		const bin = Demand.binAt(elapsed);
		const { from, to } = this.#demand.bin(bin);
		return values[elapsed - from <= to - elapsed ? bin : bin + 1]!;
	}
}

/** Idle for at most `seconds` within a bin: E[USD], and the probability that no request comes. */
function through({ hazard }: HazardBin, seconds: Seconds, usdPerSecond: Usd): { idle: Usd; none: number } {
	const none = Math.exp(-hazard * seconds);
	return { idle: hazard > 0 ? (usdPerSecond * (1 - none)) / hazard : usdPerSecond * seconds, none };
}
