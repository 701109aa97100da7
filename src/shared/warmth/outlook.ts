import type { Seconds, Usd } from "../units.ts";
import { Demand, DEMAND_BINS } from "./demand.ts";
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
	/** Whether it may be started before a request comes. */
	readonly mayStart: boolean;
	/** Seconds that one which was started stays up at least, whatever is wanted. */
	readonly idleMin: Seconds;
}

export function isSame(a: Stakes, b: Stakes): boolean {
	return (
		a.idleUsdPerSecond === b.idleUsdPerSecond &&
		a.startSeconds === b.startSeconds &&
		a.startUsd === b.startUsd &&
		a.misses === b.misses &&
		a.mayStart === b.mayStart &&
		a.idleMin === b.idleMin
	);
}

/** Where nothing is lost: as a number that JSON has. */
const BREAK_EVEN_MAX = 1e9;
/** One that stays up for longer is not kept for the request that it was started for. */
const FORCED_MAX: Seconds = 3_600;
/** For how long a pool is looked at that would be started now, in starts. */
const LASTING = [1, 4] as const;
/** Of a start that is under way when a request comes, so much is left on average. */
const LEFT = 0.5;
/** The loss and what follows from it depend on one another: found to a millionth of the price of a start. */
const HALVINGS = 20;

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
	/** From the beginning of each bin to its end, and until a start that begins there is over. */
	readonly #within: readonly Passage[];
	readonly #starting: readonly Passage[];
	/** From when it is up to when it may be cold again. */
	readonly #forced: readonly Passage[];

	constructor(demand: Demand, stakes: Stakes) {
		this.#demand = demand;
		this.#stakes = stakes;
		const { misses, startUsd, startSeconds } = stakes;
		const bins = Array.from({ length: DEMAND_BINS }, (_, k) => demand.bin(k));
		this.#within = bins.map(({ from, to }) => this.#passage(from, to));
		this.#starting = bins.map(({ from }) => this.#passage(from, from + startSeconds));
		const upFor = Math.min(stakes.idleMin, FORCED_MAX);
		this.#forced = bins.map(({ from }) => this.#passage(from + startSeconds, from + startSeconds + upFor));
		const start = startUsd + misses.usd * this.#requestsWithin(startSeconds);
		this.#wakingUsd = misses.usd * (1 + this.#requestsWithin(LEFT * startSeconds));
		const lossFor = (behind: Usd): Usd => misses.usd + misses.passed * behind;
		this.#lossUsd = lossFor(this.#behind(lossFor, start));
		this.#solve();
	}

	/** What it is worth to be warm when a request has come, at most `start`: the `b` for which `b = min(start, cold(0) - warm(0))` with
	 *  the loss of `b`. The right side rises no faster than `b`, so that halving the range finds it; to iterate would take as many
	 *  rounds as a start costs idle gaps. */
	#behind(lossFor: (behind: Usd) => Usd, start: Usd): Usd {
		const isMore = (behind: Usd): boolean => {
			this.#lossUsd = lossFor(behind);
			this.#solve();
			return this.#cold[0]! - this.#warm[0]! >= behind;
		};
		if (isMore(start)) return start;
		let [low, high] = [0, start];
		for (let n = 0; n < HALVINGS; n++) {
			const middle = (low + high) / 2;
			if (isMore(middle)) low = middle;
			else high = middle;
		}
		return low;
	}

	/** What it costs in all when a request finds it cold. */
	get lossUsd(): Usd {
		return this.#lossUsd;
	}

	/** E[USD until the next request] when it is warm for another `seconds` at least and none has come for `elapsed`. */
	keptFor(elapsed: Seconds, seconds: Seconds): Usd {
		const until = elapsed + seconds;
		const { idle, none, end } = this.#passage(elapsed, until);
		return idle * this.#stakes.idleUsdPerSecond + none * Math.min(this.#warm[end]!, this.#cold[end]!);
	}

	/** E[USD until the next request] when it is cold and none has come for `elapsed`. */
	cold(elapsed: Seconds): Usd {
		return this.#cold[nearest(this.#demand, elapsed)]!;
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

	/** Whether those who come after a start that begins with a request, for some time, are worth it and the time; true where too few are
	 *  known to tell. The law of single gaps does not know that a burst ends. */
	get outlastsStart(): boolean {
		const { misses, startSeconds, startUsd, idleUsdPerSecond } = this.#stakes;
		const during = this.#demand.within(startSeconds);
		if (during === null) return true;
		return LASTING.some((times) => {
			const seconds = times * startSeconds;
			const until = this.#demand.within(startSeconds + seconds);
			return until === null || misses.usd * (until - during) > startUsd + idleUsdPerSecond * seconds;
		});
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
		const breakEven = this.#lossUsd > 0 ? this.#stakes.idleUsdPerSecond / this.#lossUsd : BREAK_EVEN_MAX;
		return { perSecond: hazard, breakEven: Math.min(BREAK_EVEN_MAX, breakEven) };
	}

	#solve(): void {
		const lossUsd = this.#lossUsd;
		const { idleUsdPerSecond, startUsd, mayStart } = this.#stakes;
		// Beyond the last bin: one comes some day.
		this.#warm[DEMAND_BINS] = lossUsd;
		this.#cold[DEMAND_BINS] = lossUsd;
		for (let k = DEMAND_BINS - 1; k >= 0; k--) {
			const { idle, none } = this.#within[k]!;
			this.#warm[k] = idle * idleUsdPerSecond + none * Math.min(this.#warm[k + 1]!, this.#cold[k + 1]!);
			const wait = (1 - none) * lossUsd + none * this.#cold[k + 1]!;
			// A request that comes during a start misses it all the same.
			const { none: noneYet, end } = this.#starting[k]!;
			const { idle: up, none: noneThen, end: then } = this.#forced[k]!;
			const after = Math.min(this.#warm[then]!, then > k ? this.#cold[then]! : Infinity);
			const ready = Math.max(this.#warm[end]!, up * idleUsdPerSecond + noneThen * after);
			const start = startUsd + (1 - noneYet) * this.#wakingUsd + noneYet * ready;
			this.#isStart[k] = mayStart && start < wait ? 1 : 0;
			this.#cold[k] = mayStart ? Math.min(wait, start) : wait;
		}
	}

	/** E[requests] in the `seconds` after one, as if each gap was like the first: `P(gap < s) s / E[min(gap, s)]`. */
	#requestsWithin(seconds: Seconds): number {
		const seen = this.#demand.within(seconds);
		if (seen !== null) return seen;
		const { idle, none } = this.#passage(0, seconds);
		return idle > 0 ? ((1 - none) * seconds) / idle : 0;
	}

	/** From one time since the last request to another. */
	#passage(from: Seconds, to: Seconds): Passage {
		let idle = 0;
		let none = 1;
		let at = from;
		for (let k = Demand.binAt(from); at < to; k++) {
			const bin = this.#demand.bin(Math.min(k, DEMAND_BINS - 1));
			const end = k < DEMAND_BINS - 1 ? Math.min(to, bin.to) : to;
			const stays = Math.exp(-bin.hazard * (end - at));
			idle += (none * (1 - stays)) / bin.hazard;
			none *= stays;
			at = end;
		}
		return { idle, none, end: nearest(this.#demand, to) };
	}
}

/** A stretch of time in which a request may come. */
interface Passage {
	/** E[seconds until one comes or the stretch is over]. */
	readonly idle: Seconds;
	/** P(none comes). */
	readonly none: number;
	/** The bin whose beginning is nearest to its end. */
	readonly end: number;
}

function nearest(demand: Demand, elapsed: Seconds): number {
	const bin = Demand.binAt(elapsed);
	const { from, to } = demand.bin(bin);
	return elapsed - from <= to - elapsed ? bin : bin + 1;
}
