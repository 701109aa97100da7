import { PRIVACY_ZONES } from "../catalog/router-names.ts";
import type { CatalogPool } from "../catalog/snapshot.ts";
import type { AssignPolicy } from "./messages.ts";

/** What a policy says of pools as such. */
export type PoolRules = Pick<AssignPolicy, "regions" | "privacy" | "contextMin" | "barredPools">;

/** The rule by which a policy bars a pool, whatever the request is; null where it may use it. */
export function barredBy(
	{ regions, privacy, contextMin, barredPools }: PoolRules,
	{ id, pool, privacy: zone, contextLength }: Pick<CatalogPool, "id" | "pool" | "privacy" | "contextLength">,
): "region" | "privacy" | "context" | "max_usd" | null {
	if (regions !== null && !regions.includes(pool.place.region)) return "region";
	if (privacy !== undefined && PRIVACY_ZONES.indexOf(zone) > PRIVACY_ZONES.indexOf(privacy)) return "privacy";
	if (contextMin !== undefined && contextLength < contextMin) return "context";
	return barredPools?.includes(id) ? "max_usd" : null;
}
