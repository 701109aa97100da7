/** From here on a clock that shows less than before was set back. Requests of one isolate differ by less, each of which sees the
 *  time of its own last event. */
const SET_BACK_MS = 1_000;
/** A timer may fire so early. */
const EARLY_MS = 2;
/** A timer that fires so late, for the clock, has not: the clock was set forward. A crowded machine delays them by less. */
const LATE_MS = 5_000;

let latest = 0;
let ahead = 0;

/** A timer that is set. */
interface Timer {
	/** By `steadyMs`. */
	readonly at: number;
}

/** All that are, in the isolate. The runtime may end a request without a word, and its timers with it. */
const timers = new Set<Timer>();
const TIMERS_SWEPT = 1_000;
let sweepAt = TIMERS_SWEPT;

/** Milliseconds that never go back, for what must end in time: where the clock of the machine is set back, they go on from where
 *  they were, and where it is set forward, from the next timer at most, which would have fired before. While no timer is set a jump
 *  forward cannot be told from a long silence; then nobody waits either. They mean nothing beside an instant of another clock. */
export function steadyMs(): number {
	const at = Date.now() + ahead;
	if (at < latest - SET_BACK_MS) return goOn(at, latest);
	if (at > latest + LATE_MS) return goOn(at, Math.min(at, nextTimer()));
	return (latest = Math.max(latest, at));
}

/** A timer that was set for `ms` has fired: it is that late, and not much later, whatever the clock says. */
export function steadyAtLeast(ms: number): number {
	const at = Date.now() + ahead;
	if (at > ms + LATE_MS) return goOn(at, Math.max(latest, ms));
	if (ms > steadyMs() + EARLY_MS) latest = ms;
	return Math.max(ms, steadyMs());
}

/** Calls `run` once it is `at`, with the time. Returns what prevents that. */
export function whenSteady(at: number, run: (nowMs: number) => void): () => void {
	if (timers.size >= sweepAt) {
		sweep();
		sweepAt = Math.max(TIMERS_SWEPT, 2 * timers.size);
	}
	const timer: Timer = { at };
	timers.add(timer);
	const handle = setTimeout(
		() => {
			timers.delete(timer);
			run(steadyAtLeast(at));
		},
		Math.max(0, at - steadyMs()),
	);
	return () => {
		timers.delete(timer);
		clearTimeout(handle);
	};
}

/** The clock shows `shown`, but it is `ms`. */
function goOn(shown: number, ms: number): number {
	ahead += ms - shown;
	return (latest = ms);
}

/** When the next timer fires; infinite where none is set. Each is asked once, since it may never fire. */
function nextTimer(): number {
	sweep();
	let next: Timer | undefined;
	for (const timer of timers) if (!next || timer.at < next.at) next = timer;
	if (!next) return Infinity;
	timers.delete(next);
	return Math.max(latest, next.at);
}

/** Forgets timers that should have fired long ago: their requests are gone. */
function sweep(): void {
	for (const timer of timers) if (timer.at < latest - LATE_MS) timers.delete(timer);
}
