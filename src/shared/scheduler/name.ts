import { GLOBAL_GROUP } from "../catalog/region-groups.ts";
import type { LocationHint } from "../catalog/schema.ts";
import type { CatalogModel } from "../catalog/snapshot.ts";

/** Which of a model's schedulers. */
export interface SchedulerPlace {
	/** Region group. */
	readonly group: string;
	/** From 0. */
	readonly shard: number;
}

/** Of a model with neither groups nor shards. */
export const ONLY_PLACE: SchedulerPlace = { group: GLOBAL_GROUP, shard: 0 };

/** The name of a scheduler object: one for each base model, region group and shard. */
export function schedulerName(modelId: string, { group, shard }: SchedulerPlace = ONLY_PLACE): string {
	return `${modelId}/${group}/${shard}`;
}

/** What the name of a model's scheduler object says of its place; one of another form is the only one's. */
export function placeInName(name: string | undefined, modelId: string): SchedulerPlace {
	const rest = name?.startsWith(`${modelId}/`) ? name.slice(modelId.length + 1) : "";
	const [, group, shard] = /^([^/]+)\/(\d+)$/.exec(rest) ?? [];
	return group === undefined ? ONLY_PLACE : { group, shard: Number(shard) };
}

/** The shard of a conversation. */
export function shardOf(conversation: number, shards: number): number {
	return shards > 1 ? (conversation >>> 0) % shards : 0;
}

/** Every scheduler that a model has. */
export function schedulerPlaces({ model, groups }: Pick<CatalogModel, "model" | "groups">): SchedulerPlace[] {
	const shards = Array.from({ length: model.scheduler_shards ?? 1 }, (_, shard) => shard);
	return (groups.length > 0 ? groups : [GLOBAL_GROUP]).flatMap((group) => shards.map((shard) => ({ group, shard })));
}

/** How a scheduler's object is to be got: where it is created, if this call is the first, is up to its group. */
export function schedulerOptions(
	{ locationHints }: Pick<CatalogModel, "locationHints">,
	{ group }: SchedulerPlace,
): { readonly locationHint?: LocationHint } {
	const hint = locationHints[group];
	return hint === undefined ? {} : { locationHint: hint };
}
