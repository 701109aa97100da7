import { env } from "cloudflare:workers";
import type { Catalog } from "../../src/shared/catalog/schema.ts";

/** One model of that name at one pool. */
export function smallCatalog(name: string): Catalog {
	return {
		models: [{ id: name, aliases: [], context_length: 8_192, capabilities: ["chat"], bytes_per_parameter: 2 }],
		pools: [
			{
				id: "pool",
				model: name,
				engine: "vllm",
				place: { provider: "own", region: "eu", round_trip_ms: 20 },
				price: { per: "gpu_hour", usd: 1 },
				max_concurrency: 64,
				replicas: [{ id: "a", url: "http://10.0.0.1:8000" }],
			},
		],
	};
}

export async function clearCatalog(): Promise<void> {
	await env.CATALOG.exec("delete from catalog_versions; delete from keys;");
}

/** Makes D1 fail for what needs this table. */
export async function withoutTable(table: "catalog_versions" | "keys", work: () => Promise<void>): Promise<void> {
	await env.CATALOG.exec(`alter table ${table} rename to hidden`);
	try {
		await work();
	} finally {
		await env.CATALOG.exec(`alter table hidden rename to ${table}`);
	}
}
