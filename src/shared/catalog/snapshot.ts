import { isobarError, type IsobarError } from "../http/errors.ts";
import { err, ok, type Result } from "../result.ts";
import type { ReplicaName } from "../scheduler/messages.ts";
import type { Tokens } from "../units.ts";
import { CAPABILITIES } from "./capabilities.ts";
import { ENGINES } from "./engines.ts";
import { didYouMean, nearestNames } from "./nearest-names.ts";
import { pricingOf, type PoolPricing } from "./pricing.ts";
import { groupOfRegion } from "./region-groups.ts";
import { baseUrlOf } from "./replica-url.ts";
import type { PrivacyZone } from "./router-names.ts";
import type { Router } from "./routers.ts";
import type { Capability, Catalog, Model, Pool, LocationHint, RegionGroup } from "./schema.ts";

/** A replica with all that holds for it, whether it was said of itself, of its pool or of its model. */
export interface CatalogReplica {
	readonly name: ReplicaName;
	readonly id: string;
	readonly pool: CatalogPool;
	/** Up to and without `/v1`, no slash at the end. */
	readonly baseUrl: string;
	readonly maxConcurrency: number;
}

export interface CatalogPool {
	readonly id: string;
	readonly pool: Pool;
	readonly model: Model;
	/** What the pool calls the model. */
	readonly upstreamModel: string;
	readonly pricing: PoolPricing;
	readonly capabilities: readonly Capability[];
	readonly capabilityBits: number;
	readonly contextLength: Tokens;
	/** Region group. */
	readonly group: string;
	readonly privacy: PrivacyZone;
	/** Requests go there with a `cache_salt`. */
	readonly cacheSalt: boolean;
	readonly replicas: readonly CatalogReplica[];
}

export interface CatalogModel {
	readonly id: string;
	readonly model: Model;
	readonly pools: readonly CatalogPool[];
	/** Of all its pools, in the order of the catalog. */
	readonly replicas: readonly CatalogReplica[];
	/** Region groups that have pools of it. */
	readonly groups: readonly string[];
	/** By group, where Cloudflare is asked to create its schedulers; groups without a wish are left out. */
	readonly locationHints: Readonly<Record<string, LocationHint>>;
	/** The longest context among its pools; zero when no pool serves it. */
	readonly longestContext: Tokens;
}

/** One version of the catalog, laid out for the hot path: every question is one look-up. Immutable. */
export interface CatalogSnapshot {
	readonly version: number;
	readonly catalog: Catalog;
	/** By id and by every alias. */
	readonly models: ReadonlyMap<string, CatalogModel>;
	readonly pools: ReadonlyMap<string, CatalogPool>;
	/** By `pool/replica`. */
	readonly replicas: ReadonlyMap<ReplicaName, CatalogReplica>;
	readonly routers: ReadonlyMap<string, Router>;
}

const BIT = new Map<Capability, number>(CAPABILITIES.map((capability, index) => [capability, 1 << index]));

/** A set of capabilities as bits, one for each in the order of `CAPABILITIES`: `(has & needs) === needs` asks for all. */
export function capabilityBits(capabilities: readonly Capability[]): number {
	let bits = 0;
	for (const capability of capabilities) bits |= BIT.get(capability) ?? 0;
	return bits;
}

/** The snapshot of a catalog that has passed `validateCatalog`. */
export function buildSnapshot(version: number, catalog: Catalog): CatalogSnapshot {
	const poolsOf = new Map<string, Pool[]>();
	for (const pool of catalog.pools) poolsOf.set(pool.model, [...(poolsOf.get(pool.model) ?? []), pool]);

	const locationHints = Object.fromEntries(
		(catalog.region_groups ?? []).flatMap(({ id, location_hint: hint }) => (hint ? [[id, hint] as const] : [])),
	);
	const models = new Map<string, CatalogModel>();
	for (const model of catalog.models) {
		const pools = (poolsOf.get(model.id) ?? []).map((pool) => poolOf(pool, model, catalog.region_groups ?? []));
		const entry: CatalogModel = {
			id: model.id,
			model,
			pools,
			replicas: pools.flatMap((pool) => pool.replicas),
			groups: [...new Set(pools.map(({ group }) => group))],
			locationHints,
			longestContext: Math.max(0, ...pools.map((pool) => pool.contextLength)),
		};
		for (const name of [model.id, ...model.aliases]) models.set(name, entry);
	}
	const pools = [...new Set(models.values())].flatMap((model) => model.pools);
	return {
		version,
		catalog,
		models,
		pools: new Map(pools.map((pool) => [pool.id, pool])),
		replicas: new Map(pools.flatMap((pool) => pool.replicas.map((replica) => [replica.name, replica] as const))),
		routers: new Map((catalog.routers ?? []).map((router) => [router.id, router])),
	};
}

/** The model of that id or alias: `catalog_empty` when there is none at all, else `model_not_found` with the nearest names
 *  among those that `allowed` lets through. */
export function findModel(
	snapshot: CatalogSnapshot,
	name: string,
	allowed: (modelId: string) => boolean = () => true,
): Result<CatalogModel, IsobarError> {
	const model = snapshot.models.get(name);
	if (model) return ok(model);
	if (snapshot.models.size === 0) {
		return err(
			isobarError("catalog_empty", "The catalog holds no model yet; an operator adds some with PUT /admin/catalog"),
		);
	}
	const names = [...snapshot.models].flatMap(([each, { id }]) => (allowed(id) ? [each] : []));
	// The name is the client's and may be of any length.
	const hint = didYouMean(name, names) || "; GET /v1/models lists those that the key may name";
	const message = `Unknown model ${JSON.stringify(name.slice(0, 128))}${hint}`;
	return err(
		isobarError("model_not_found", message, { param: "model", details: { nearest: nearestNames(name, names) } }),
	);
}

function poolOf(pool: Pool, model: Model, groups: readonly RegionGroup[]): CatalogPool {
	const capabilities = pool.capabilities ?? model.capabilities;
	const replicas: CatalogReplica[] = [];
	const entry: CatalogPool = {
		id: pool.id,
		pool,
		model,
		upstreamModel: pool.upstream_model ?? model.id,
		pricing: pricingOf(pool.price),
		capabilities,
		capabilityBits: capabilityBits(capabilities),
		contextLength: pool.context_length ?? model.context_length,
		group: groupOfRegion(groups, pool.place.region),
		privacy: pool.place.privacy ?? "public",
		cacheSalt: pool.cache_salt ?? ENGINES[pool.engine].cacheSalt,
		replicas,
	};
	for (const { id, url, max_concurrency } of pool.replicas) {
		replicas.push({
			name: `${pool.id}/${id}`,
			id,
			pool: entry,
			baseUrl: baseUrlOf(url),
			maxConcurrency: max_concurrency ?? pool.max_concurrency,
		});
	}
	return entry;
}
