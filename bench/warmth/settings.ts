import type { Fleet } from "./fleet.ts";
import { TRAFFIC_IDS, type TrafficId } from "./traffic/load.ts";

/** One kind of traffic at one level on one fleet. */
export interface Setting {
	readonly traffic: TrafficId;
	/** Requests a second on average. */
	readonly perSecond: number;
	readonly fleet: Fleet["id"];
}

/** From one request in a minute and a half to two in a second. */
export const LEVELS = [1 / 90, 1 / 10, 0.5, 2] as const;

export const SETTINGS: readonly Setting[] = TRAFFIC_IDS.flatMap((traffic) =>
	(["three", "five"] as const).flatMap((fleet) => LEVELS.map((perSecond) => ({ traffic, perSecond, fleet }))),
);

export function levelText(perSecond: number): string {
	return perSecond < 0.2 ? `1 in ${Math.round(1 / perSecond)} s` : `${perSecond} a second`;
}
