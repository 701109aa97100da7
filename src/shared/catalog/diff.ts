import type { Catalog } from "./schema.ts";

/** What an absent field is compared as, too: no field of a catalog can be null. */
export type JsonValue =
	| null
	| boolean
	| number
	| string
	| readonly JsonValue[]
	| { readonly [name: string]: JsonValue };

/** A field by its dotted path (`price.input`), and its value before and after; null: it was, or is now, not there. */
export interface FieldChange {
	readonly field: string;
	readonly from: JsonValue;
	readonly to: JsonValue;
}

export interface Changes {
	readonly added: readonly string[];
	readonly removed: readonly string[];
	readonly changed: readonly { readonly id: string; readonly fields: readonly FieldChange[] }[];
}

/** Names are ids of models, pools, region groups and routers, and `pool/replica`; each list is in the order of the catalogs. */
export interface CatalogDiff {
	readonly models: Changes;
	readonly pools: Changes;
	readonly replicas: Changes;
	readonly region_groups: Changes;
	readonly routers: Changes;
}

type Fields = ReadonlyMap<string, unknown>;

/** What has to be done to `from` to get `to`. The order of models, pools and replicas has no meaning and makes no
 *  difference; a pool's replicas are told apart from the pool itself. */
export function diffCatalogs(from: Catalog, to: Catalog): CatalogDiff {
	return {
		models: changes(modelsOf(from), modelsOf(to)),
		pools: changes(poolsOf(from), poolsOf(to)),
		replicas: changes(replicasOf(from), replicasOf(to)),
		region_groups: changes(groupsOf(from), groupsOf(to)),
		routers: changes(routersOf(from), routersOf(to)),
	};
}

/** Fields that tell what a thing is, or that are compared on their own. */
const NOT_COMPARED: ReadonlySet<string> = new Set(["id", "replicas"]);

function modelsOf(catalog: Catalog): Map<string, Fields> {
	return new Map(catalog.models.map((model) => [model.id, flatten(model)]));
}

function poolsOf(catalog: Catalog): Map<string, Fields> {
	return new Map(catalog.pools.map((pool) => [pool.id, flatten(pool)]));
}

function groupsOf(catalog: Catalog): Map<string, Fields> {
	return new Map((catalog.region_groups ?? []).map((group) => [group.id, flatten(group)]));
}

function routersOf(catalog: Catalog): Map<string, Fields> {
	return new Map((catalog.routers ?? []).map((router) => [router.id, flatten(router)]));
}

function replicasOf(catalog: Catalog): Map<string, Fields> {
	return new Map(
		catalog.pools.flatMap((pool) =>
			pool.replicas.map((replica) => [`${pool.id}/${replica.id}`, flatten(replica)] as const),
		),
	);
}

function flatten(value: object, prefix = "", into = new Map<string, unknown>()): Map<string, unknown> {
	for (const [name, inner] of Object.entries(value)) {
		if (inner === undefined || (prefix === "" && NOT_COMPARED.has(name))) continue;
		if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) flatten(inner, `${prefix}${name}.`, into);
		else into.set(prefix + name, inner);
	}
	return into;
}

function changes(from: ReadonlyMap<string, Fields>, to: ReadonlyMap<string, Fields>): Changes {
	return {
		added: [...to.keys()].filter((id) => !from.has(id)),
		removed: [...from.keys()].filter((id) => !to.has(id)),
		changed: [...to].flatMap(([id, after]) => {
			const before = from.get(id);
			const fields = before ? fieldChanges(before, after) : [];
			return fields.length > 0 ? [{ id, fields }] : [];
		}),
	};
}

function fieldChanges(before: Fields, after: Fields): FieldChange[] {
	return [...new Set([...before.keys(), ...after.keys()])].flatMap((field) => {
		const [from, to] = [before.get(field), after.get(field)].map((value) => JSON.stringify(value ?? null));
		return from === to ? [] : [{ field, from: JSON.parse(from ?? "null"), to: JSON.parse(to ?? "null") }];
	});
}
