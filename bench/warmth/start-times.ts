import { combine, seeded } from "../../test/simulator/random.ts";

/** `process`: a container and a plain engine. `snapshot`: a container, and weights from fast local storage into an engine that is
 *  ready. `endpoint`: as `process`, behind an autoscaler that looks once a minute. */
export type StartKind = "process" | "snapshot" | "endpoint";

/** What starts are drawn from, in seconds. */
export interface Measured {
	/** Loads of a plain engine until it is ready. */
	readonly loads: readonly number[];
	/** Loads of weights alone from fast local storage. */
	readonly weights: readonly number[];
	/** Quantiles of a platform's own part, by probability. */
	readonly platform: readonly (readonly [probability: number, seconds: number])[];
}

/** How much longer a start takes beside `n` other pools of the provider that are waking: `(1 + n)^0.3`. */
const CROWDING = 0.3;
/** Starts within so long of one another have the same luck, whoever causes them: what a bound may know beforehand. */
export const LUCK_SECONDS = 600;
export const START_SECONDS_MAX = 600;
/** A request is served within the goal by a start that begins so long after it arrived at the latest. */
const SOON_SECONDS = 5;
const ENDPOINT_LOOK_SECONDS = 60;
/** The loads of one machine hardly vary; those of several do. */
const LOAD_SIGMA = 0.15;

/** The seconds of all starts that could be made, drawn beforehand: they depend on the pool and on the time, not on the policy. */
export class StartTimes {
	readonly #measured: Measured;
	readonly #seed: number;
	readonly #least = new Map<string, number>();

	constructor(measured: Measured, seed: number) {
		this.#measured = measured;
		this.#seed = seed;
	}

	/** Of a start of pool `index` that begins at `at`, with no other pool waking. */
	alone(index: number, kind: StartKind, at: number): number {
		const rng = seeded(combine(combine(this.#seed, index), Math.floor(at / LUCK_SECONDS)));
		const { loads, weights, platform } = this.#measured;
		const spread = Math.exp(LOAD_SIGMA * normal(rng));
		const own = quantile(platform, rng());
		const load = pick(kind === "snapshot" ? weights : loads, rng()) * spread;
		const look = kind === "endpoint" ? ENDPOINT_LOOK_SECONDS * rng() : 0;
		return Math.min(START_SECONDS_MAX, own + load + look);
	}

	/** The least of a start from which a request of time `at` could be served. */
	least(index: number, kind: StartKind, at: number): number {
		const last = Math.floor((at + SOON_SECONDS) / LUCK_SECONDS);
		const name = `${index} ${last}`;
		let least = this.#least.get(name);
		if (least === undefined) {
			const first = Math.floor((last * LUCK_SECONDS - SOON_SECONDS - START_SECONDS_MAX) / LUCK_SECONDS);
			least = START_SECONDS_MAX;
			for (let bucket = first; bucket <= last; bucket++)
				least = Math.min(least, this.alone(index, kind, (bucket + 0.5) * LUCK_SECONDS));
			this.#least.set(name, least);
		}
		return least;
	}
}

export function crowded(seconds: number, others: number): number {
	return seconds * (1 + others) ** CROWDING;
}

function pick(values: readonly number[], uniform: number): number {
	return values[Math.floor(uniform * values.length)]!;
}

/** By linear interpolation between the known quantiles. */
function quantile(points: Measured["platform"], uniform: number): number {
	const above = points.findIndex(([probability]) => probability >= uniform);
	if (above <= 0) return points[Math.max(0, above)]![1];
	const [[p0, s0], [p1, s1]] = [points[above - 1]!, points[above]!];
	return s0 + ((uniform - p0) / (p1 - p0)) * (s1 - s0);
}

function normal(rng: () => number): number {
	return Math.sqrt(-2 * Math.log(1 - rng())) * Math.cos(2 * Math.PI * rng());
}
