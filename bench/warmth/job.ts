import { combine } from "../../test/simulator/random.ts";
import { lowerBound, type BoundLine } from "./bound/bound.ts";
import { fleetOf } from "./fleet.ts";
import { metricsOf, type Metrics } from "./metrics.ts";
import { POLICIES } from "./policies/all.ts";
import type { Setting } from "./settings.ts";
import { simulate, type Setup } from "./simulate.ts";
import { StartTimes } from "./start-times.ts";
import type { DataStore } from "./traffic/load.ts";

/** All policies in one setting on the same requests and the same luck. Plain data, as it goes to a worker. */
export interface Job {
	readonly setting: Setting;
	readonly seed: number;
	/** Requests, about. */
	readonly count: number;
	/** Of the search for the bound. */
	readonly boundRounds: number;
}

/** One policy with one set of parameters. */
export interface Point {
	readonly policy: string;
	readonly title: string;
	readonly first: Metrics;
	readonly second: Metrics;
}

export interface Played {
	readonly points: readonly Point[];
	readonly bound: readonly BoundLine[];
}

/** The same job has the same outcome wherever it runs. */
export async function runJob(store: DataStore, { setting, seed, count, boundRounds }: Job): Promise<Played> {
	const fleet = fleetOf(setting.fleet);
	const setup: Setup = {
		fleet,
		traffic: await store.traffic(setting.traffic, setting.perSecond, count, seed),
		starts: new StartTimes(await store.measured(), combine(seed, 2)),
		seed: combine(seed, 3),
	};
	const points = POLICIES.flatMap(({ id, variants }) =>
		variants(fleet).map(({ title, create }): Point => {
			const outcome = simulate(setup, create);
			const of = (half: "first" | "second"): Metrics => metricsOf(setup, outcome, half);
			return { policy: id, title, first: of("first"), second: of("second") };
		}),
	);
	return { points, bound: lowerBound(setup, boundRounds) };
}
