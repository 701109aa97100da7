import { jsonAt } from "../../../src/shared/http/json-values.ts";
import { saltOf } from "../../../src/shared/kv/prefix-salt.ts";
import { cacheKey, CACHE_REQUEST_BYTES_MAX, type CacheScope } from "../../../src/shared/router/exact-cache.ts";
import type { Prepared } from "../prepared.ts";
import type { RoutedRequest } from "../read-request.ts";

/** What names the request to the tenant's cache; null where it is too long, or where it cannot be said for sure what it asks. */
export async function requestKey(prepared: Prepared): Promise<string | null> {
	const body = bodyOf(prepared.planned.request);
	return body && cacheKey(body, scopeOf(prepared));
}

/** Null where a pool might read it otherwise than it is read here: a name stands twice, or a value that the pool may take all the
 *  same is not strictly JSON. Two such requests would look alike. */
function bodyOf({ json, members }: RoutedRequest): Readonly<Record<string, unknown>> | null {
	if (json.bytes.length > CACHE_REQUEST_BYTES_MAX) return null;
	const body = new Map<string, unknown>();
	for (const { name, value } of members) {
		const read = jsonAt(json, value);
		if (read === undefined || body.has(name)) return null;
		body.set(name, read);
	}
	return Object.fromEntries(body);
}

function scopeOf({ key, planned: { request, model, policy, route } }: Prepared): CacheScope {
	const models = route ? route.plan.ranked.map(({ option }) => option.model) : [model];
	const named = models.map(
		({ id, pools }) => [id, ...new Set(pools.map(({ upstreamModel }) => upstreamModel))] as const,
	);
	// The chosen model's own may keep to a narrower zone, which depends on how the pools stand.
	const { regions, privacy, contextMin, priceCeiling } = route?.policy ?? policy;
	return {
		endpoint: request.endpoint,
		salt: saltOf(key),
		// The order in which they are tried depends on how their pools stand.
		models: named.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
		route: route && { router: route.plan.router, controls: { ...route.plan.controls, cache: null } },
		policy: {
			regions: regions && [...new Set(regions)].sort(),
			priceCeiling,
			...(privacy !== undefined && { privacy }),
			...(contextMin !== undefined && { contextMin }),
		},
		defaultMaxTokens: request.maxTokens === null ? key.default_max_tokens : null,
	};
}
