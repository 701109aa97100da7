import { groupOfEdge, groupsFrom } from "../../src/shared/catalog/region-groups.ts";
import type { CatalogModel, CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import { conversationHash } from "../../src/shared/kv/conversation.ts";
import { shardOf } from "../../src/shared/scheduler/name.ts";
import type { RoutedRequest } from "./read-request.ts";

/** Which of a model's schedulers a request asks. */
export interface RequestSchedulers {
	/** Region groups that have pools of the model, in the order in which they are asked. */
	readonly groups: readonly string[];
	readonly shard: number;
}

/** Where the isolate runs, as Cloudflare says of each request. */
export interface Edge {
	/** Its own name; `local` elsewhere. */
	readonly name: string;
	readonly colo: string | undefined;
	readonly continent: string | undefined;
}

export function edgeOf(http: Request): Edge {
	const cf = http.cf as { colo?: unknown; continent?: unknown } | undefined;
	const colo = typeof cf?.colo === "string" ? cf.colo : undefined;
	const continent = typeof cf?.continent === "string" ? cf.continent : undefined;
	return { name: colo ?? "local", colo, continent };
}

export function requestSchedulers(
	request: RoutedRequest,
	model: CatalogModel,
	{ catalog }: CatalogSnapshot,
	edge: Edge,
): RequestSchedulers {
	const { region_groups: known } = catalog;
	const shards = model.model.scheduler_shards ?? 1;
	const { endpoint, json, members } = request;
	return {
		groups: known && known.length > 0 ? groupsFrom(groupOfEdge(known, edge), model.groups) : model.groups,
		shard: shards > 1 ? shardOf(conversationHash(endpoint, json, members), shards) : 0,
	};
}
