import type { CatalogInput } from "../../../src/shared/catalog/schema.ts";
import { CAPABILITIES } from "../../../src/shared/catalog/capabilities.ts";

type PoolInput = CatalogInput["pools"][number];
type ModelInput = CatalogInput["models"][number];

/** A pool with a replica (`a`, `b`, ...) for each URL, in a region that is named like the pool, so that `isobar.regions` can
 *  name it in a request. */
export function poolOf(id: string, model: string, urls: readonly string[], more: Partial<PoolInput> = {}): PoolInput {
	return {
		id,
		model,
		engine: "openai",
		place: { provider: "test", region: id, round_trip_ms: 1 },
		price: { per: "million_tokens", input: 1, output: 2 },
		replicas: urls.map((url, index) => ({ id: String.fromCharCode(97 + index), url })),
		...more,
	};
}

/** A catalog of these pools, and of every model that they name, each able to do everything unless `models` says otherwise. */
export function catalogOf(pools: readonly PoolInput[], models: Readonly<Record<string, Partial<ModelInput>>> = {}) {
	const names = new Set([...pools.map(({ model }) => model), ...Object.keys(models)]);
	return {
		models: [...names].map((id) => ({
			id,
			context_length: 131_072,
			capabilities: [...CAPABILITIES],
			parameters_billion: 8,
			...models[id],
		})),
		pools: [...pools],
	} satisfies CatalogInput;
}

/** URLs of the replicas of one pool among simulated replicas that are named `pool/replica`. */
export function urlsOf(urls: ReadonlyMap<string, string>, pool: string): string[] {
	return [...urls].filter(([name]) => name.startsWith(`${pool}/`)).map(([, url]) => url);
}
