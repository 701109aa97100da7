import { PRIVACY_ZONES } from "../catalog/router-names.ts";
import type { CatalogPool } from "../catalog/snapshot.ts";
import type { AssignPolicy } from "./messages.ts";

/** The rule by which a policy bars a pool, whatever the request is; null where it may use it. */
export function barredBy(
	{ regions, privacy, contextMin }: Pick<AssignPolicy, "regions" | "privacy" | "contextMin">,
	{ pool, privacy: zone, contextLength }: Pick<CatalogPool, "pool" | "privacy" | "contextLength">,
): "region" | "privacy" | "context" | null {
	if (regions !== null && !regions.includes(pool.place.region)) return "region";
	if (privacy !== undefined && PRIVACY_ZONES.indexOf(zone) > PRIVACY_ZONES.indexOf(privacy)) return "privacy";
	return contextMin !== undefined && contextLength < contextMin ? "context" : null;
}
