import type { Fleet } from "../fleet.ts";
import type { Policy, World } from "../simulate.ts";

/** A policy with its parameters set. */
export interface Variant {
	readonly title: string;
	readonly create: (world: World) => Policy;
}

/** A policy, and every way in which it is set: its points on the frontier of cost and misses. */
export interface PolicySpec {
	readonly id: string;
	readonly title: string;
	readonly variants: (fleet: Fleet) => readonly Variant[];
}
