import { argmin, argminRandom, type Policy } from "./policy.ts";

interface Settings {
	/** Loads further apart than this go to the least loaded. */
	readonly spread: number;
	/** Standard deviations above the mean that a load may be. */
	readonly sigmas: number;
}

/** AIBrix `prefix-cache`: if loads differ by more than `spread` requests, the least loaded; else the best match among those
 *  whose load is at most the mean plus `sigmas` standard deviations, the less loaded of equal ones. */
export const aibrix: Policy<Settings> = {
	id: "aibrix",
	title: "AIBrix prefix-cache",
	settings: [8, 16, 4].flatMap((spread) => [1, 2].map((sigmas) => ({ spread, sigmas }))),
	create:
		() =>
		(_, views, { spread, sigmas }, rng) => {
			const loads = views.map((view) => view.inFlight);
			const leastLoaded = (): number => argminRandom(views, (view) => view.inFlight, rng);
			if (Math.max(...loads) - Math.min(...loads) > spread) return leastLoaded();
			const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
			const variance = loads.reduce((sum, load) => sum + (load - mean) ** 2, 0) / loads.length;
			const limit = mean + sigmas * Math.sqrt(variance);
			const best = argmin(views, ({ matched, inFlight }) => (inFlight <= limit ? -matched + inFlight / 1e6 : Infinity));
			return views[best]!.matched > 0 && loads[best]! <= limit ? best : leastLoaded();
		},
};
