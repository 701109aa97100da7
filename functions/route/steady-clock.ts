/** From here on a clock that shows less than before was set back. Requests of one isolate differ by less, each of which sees the
 *  time of its own last event. */
const SET_BACK_MS = 1_000;
/** A timer may fire so early. */
const EARLY_MS = 2;

let latest = 0;
let ahead = 0;

/** Milliseconds that never go back, for what must end in time: where the clock of the machine is set back, they go on from where
 *  they were. They mean nothing beside an instant of another clock. */
export function steadyMs(): number {
	const at = Date.now() + ahead;
	if (at < latest - SET_BACK_MS) ahead += latest - at;
	return (latest = Math.max(latest, at));
}

/** A timer that was set for `ms` has fired: it is that late, whatever the clock says. */
export function steadyAtLeast(ms: number): number {
	if (ms > steadyMs() + EARLY_MS) latest = ms;
	return Math.max(ms, steadyMs());
}
