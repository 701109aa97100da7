/** Periods a little over the keep-alives that are usual: 5 s, 1 min, 5 min, 10 min and an hour. */
const PERIODS = [5.5, 66, 330, 630, 3_780] as const;
/** Of its period, that a timer is late or early at most. */
const JITTER = 0.01;
/** Requests of one tick at most, and the seconds in which they come. */
const TICK_REQUESTS_MAX = 8;
const TICK_SECONDS = 2;

export interface Arrival {
	readonly at: number;
	readonly client: number;
}

/** Arrivals of timer clients that together send `perSecond`, an equal share with each period: as many clients as are needed for at
 *  most eight requests a tick, each with a phase of its own. Periods that are too short for half a request a tick are left out. */
export function timerArrivals(count: number, perSecond: number, rng: () => number): Arrival[] {
	const span = count / perSecond;
	const possible = PERIODS.filter((period) => (period * perSecond) / PERIODS.length >= 0.5);
	const periods = possible.length > 0 ? possible : PERIODS.slice(-1);
	const arrivals: Arrival[] = [];
	let client = 0;
	for (const period of periods) {
		const perPeriod = (period * perSecond) / periods.length;
		const clients = Math.max(1, Math.ceil(perPeriod / TICK_REQUESTS_MAX));
		for (let n = 0; n < clients; n++) {
			arrivals.push(...ticksOf(client++, period, perPeriod / clients, span, rng));
		}
	}
	return arrivals.sort((a, b) => a.at - b.at);
}

function ticksOf(client: number, period: number, requests: number, span: number, rng: () => number): Arrival[] {
	const arrivals: Arrival[] = [];
	for (let tick = rng() * period; tick < span; tick += period) {
		const due = tick + (2 * rng() - 1) * JITTER * period;
		const count = Math.floor(requests + rng());
		for (let n = 0; n < count; n++) arrivals.push({ at: Math.max(0, due + rng() * TICK_SECONDS), client });
	}
	return arrivals;
}
