import { GLOBAL_GROUP } from "../catalog/region-groups.ts";
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

/** The shard of a conversation. */
export function shardOf(conversation: number, shards: number): number {
	return shards > 1 ? (conversation >>> 0) % shards : 0;
}

/** Every scheduler that a model has. */
export function schedulerPlaces({ model, groups }: Pick<CatalogModel, "model" | "groups">): SchedulerPlace[] {
	const shards = Array.from({ length: model.scheduler_shards ?? 1 }, (_, shard) => shard);
	return (groups.length > 0 ? groups : [GLOBAL_GROUP]).flatMap((group) => shards.map((shard) => ({ group, shard })));
}
