import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import type { ReplicaOptions } from "../simulator/options.ts";

export const CHAT_MODEL = "test-model";
export const EMBEDDING_MODEL = "test-embedding";

/** Two replicas of a cheap pool, one of a dear pool, one for embeddings, all without delays. */
export const SMALL_FLEET: readonly ReplicaOptions[] = [
	{ name: "cheap/a", model: CHAT_MODEL, speed: 0 },
	{ name: "cheap/b", model: CHAT_MODEL, speed: 0 },
	{ name: "dear/a", model: CHAT_MODEL, speed: 0 },
	{ name: "embed/a", model: EMBEDDING_MODEL, speed: 0 },
];

/** A catalog for replicas named `pool/replica`: pools `cheap`, `dear` and `embed`, each with those replicas that are there.
 *  A pool without one is left out, and so is a model without a pool. */
export function smallCatalog(urls: ReadonlyMap<string, string>): CatalogInput {
	const replicas = (pool: string) =>
		[...urls]
			.filter(([name]) => name.startsWith(`${pool}/`))
			.map(([name, url]) => ({ id: name.slice(pool.length + 1), url }));
	const pools: CatalogInput["pools"] = [
		{
			id: "cheap",
			model: CHAT_MODEL,
			engine: "vllm",
			gpu: { type: "H100" },
			place: { provider: "test", region: "near", round_trip_ms: 1 },
			price: { per: "million_tokens", input: 1, output: 2 },
			replicas: replicas("cheap"),
		},
		{
			id: "dear",
			model: CHAT_MODEL,
			engine: "openai",
			place: { provider: "test", region: "far", round_trip_ms: 1 },
			price: { per: "million_tokens", input: 10, output: 20 },
			replicas: replicas("dear"),
		},
		{
			id: "embed",
			model: EMBEDDING_MODEL,
			engine: "vllm",
			gpu: { type: "L4" },
			place: { provider: "test", region: "near", round_trip_ms: 1 },
			price: { per: "million_tokens", input: 0.1, output: 0 },
			replicas: replicas("embed"),
		},
	];
	const models: CatalogInput["models"] = [
		{
			id: CHAT_MODEL,
			context_length: 131_072,
			capabilities: ["chat", "completions", "tools", "vision", "logprobs", "json", "token_prompts"],
			parameters_billion: 8,
		},
		{ id: EMBEDDING_MODEL, context_length: 8_192, capabilities: ["embeddings"], parameters_billion: 0.5 },
	];
	const used = pools.filter((pool) => pool.replicas.length > 0);
	return { models: models.filter((model) => used.some((pool) => pool.model === model.id)), pools: used };
}
