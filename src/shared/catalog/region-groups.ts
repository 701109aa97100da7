import type { RegionGroup } from "./schema.ts";

/** The group of every pool and edge that no other names. */
export const GLOBAL_GROUP = "global";

/** Where an isolate runs, as Cloudflare says. */
export interface EdgePlace {
	readonly colo: string | undefined;
	readonly continent: string | undefined;
}

export function groupOfRegion(groups: readonly RegionGroup[], region: string): string {
	return groups.find(({ regions }) => regions.includes(region))?.id ?? GLOBAL_GROUP;
}

/** The group that an edge belongs to: by its own name, else by its continent. */
export function groupOfEdge(groups: readonly RegionGroup[], { colo, continent }: EdgePlace): string {
	const byColo = groups.find(({ colos }) => colos.some((each) => each === colo));
	const byContinent = groups.find(({ continents }) => continents.some((each) => each === continent));
	return (byColo ?? byContinent)?.id ?? GLOBAL_GROUP;
}

/** The groups that have pools of a model, in the order in which an edge asks them: its own first. */
export function groupsFrom(home: string, groups: readonly string[]): readonly string[] {
	return groups[0] === home || !groups.includes(home) ? groups : [home, ...groups.filter((group) => group !== home)];
}
