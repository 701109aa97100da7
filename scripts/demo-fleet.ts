import type { CatalogInput } from "../src/shared/catalog/schema.ts";
import type { ReplicaOptions } from "../test/simulator/options.ts";
import { PROFILES, type ProfileName } from "../test/simulator/profile.ts";

const CHAT_MODEL = "llama-3.1-8b";
const MIDDLE_MODEL = "llama-3.1-70b";
const LARGE_MODEL = "llama-3.1-405b";
const EMBEDDING_MODEL = "bge-m3";

/** Credentials of the demo's pools, as the Worker secrets that the catalog names. */
export const DEMO_SECRETS = { DEMO_API_KEY: "simulated-credential" } as const;

/** What `npm start` simulates: reserved H100s that are always warm, an L40S that has scaled to zero, a commercial API that is
 *  fast, far and paid by the token; an L4 for embeddings; and two
 *  larger models of that API, among which and the small one a router chooses. A replica's name is `pool/replica`. */
export const DEMO_REPLICAS: readonly ReplicaOptions[] = [
	{ name: "h100-reserved/a", model: CHAT_MODEL, profile: "H100" },
	{ name: "h100-reserved/b", model: CHAT_MODEL, profile: "H100" },
	{
		name: "l40s-serverless/a",
		model: CHAT_MODEL,
		profile: "L40S",
		startCold: true,
		behaviour: { coldStartSeconds: 8, idleSeconds: 120, latencySeconds: 0.02 },
	},
	{
		name: "token-api/main",
		model: "meta-llama/Llama-3.1-8B-Instruct",
		profile: { prefillTokensPerSecond: 12_000, stepSeconds: 0.006, secondsPerSequence: 0.00002 },
		apiKey: DEMO_SECRETS.DEMO_API_KEY,
		behaviour: { latencySeconds: 0.08 },
	},
	{
		name: "api-70b/main",
		model: "meta-llama/Llama-3.1-70B-Instruct",
		profile: { prefillTokensPerSecond: 8_000, stepSeconds: 0.011, secondsPerSequence: 0.00003 },
		apiKey: DEMO_SECRETS.DEMO_API_KEY,
		behaviour: { latencySeconds: 0.08 },
	},
	{
		name: "api-405b/main",
		model: "meta-llama/Llama-3.1-405B-Instruct",
		profile: { prefillTokensPerSecond: 4_000, stepSeconds: 0.022, secondsPerSequence: 0.00005 },
		apiKey: DEMO_SECRETS.DEMO_API_KEY,
		behaviour: { latencySeconds: 0.08 },
	},
	{ name: "l4-embeddings/a", model: EMBEDDING_MODEL, profile: "L4", contextLength: 8_192, embeddingDimensions: 1_024 },
];

/** The catalog of those pools. GPU prices: RunPod, 2026-06 (H100 on demand by the hour, L40S and L4 "flex" by the second); by
 *  the token: a middle of the hosted offers for this model. */
export function demoCatalog(urls: ReadonlyMap<string, string>): CatalogInput {
	const replicas = (pool: string) =>
		[...urls]
			.filter(([name]) => name.startsWith(`${pool}/`))
			.map(([name, url]) => ({ id: name.slice(pool.length + 1), url }));
	return {
		models: [
			{
				id: CHAT_MODEL,
				aliases: ["llama-3.1-8b-instruct"],
				context_length: 131_072,
				capabilities: ["chat", "completions", "tools", "vision", "logprobs", "json", "token_prompts"],
				parameters_billion: 8.03,
				kv_bytes_per_token: 131_072,
				card: "llama-3.1-8b-instruct",
				released: "2024-07-23",
				licence: "llama3.1",
			},
			largerModel(MIDDLE_MODEL, 70.6, "llama-3.1-70b-instruct"),
			largerModel(LARGE_MODEL, 405.9, "llama-3.1-405b-inst-fp8"),
			{ id: EMBEDDING_MODEL, context_length: 8_192, capabilities: ["embeddings"], parameters_billion: 0.568 },
		],
		pools: [
			{
				id: "h100-reserved",
				model: CHAT_MODEL,
				engine: "vllm",
				gpu: { type: "H100" },
				rates: ratesOf("H100"),
				place: { provider: "simulated", region: "us-east", round_trip_ms: 2, privacy: "own" },
				price: { per: "gpu_hour", usd: 3.29 },
				replicas: replicas("h100-reserved"),
			},
			{
				id: "l40s-serverless",
				model: CHAT_MODEL,
				engine: "vllm",
				gpu: { type: "L40S" },
				rates: ratesOf("L40S"),
				place: { provider: "simulated", region: "us-west", round_trip_ms: 20, privacy: "contract" },
				price: { per: "gpu_second", usd: 0.00053 },
				scale_to_zero: { kind: "plain", idle_seconds: 120, cold_seconds: 8 },
				replicas: replicas("l40s-serverless"),
			},
			{
				id: "token-api",
				model: CHAT_MODEL,
				engine: "openai",
				upstream_model: "meta-llama/Llama-3.1-8B-Instruct",
				place: { provider: "simulated", region: "eu-central", round_trip_ms: 80 },
				price: { per: "million_tokens", input: 0.1, output: 0.1 },
				secret: "DEMO_API_KEY",
				replicas: replicas("token-api"),
			},
			apiPool("api-70b", MIDDLE_MODEL, "meta-llama/Llama-3.1-70B-Instruct", 0.88, replicas("api-70b")),
			apiPool("api-405b", LARGE_MODEL, "meta-llama/Llama-3.1-405B-Instruct", 3.5, replicas("api-405b")),
			{
				id: "l4-embeddings",
				model: EMBEDDING_MODEL,
				engine: "vllm",
				gpu: { type: "L4" },
				rates: ratesOf("L4"),
				place: { provider: "simulated", region: "us-east", round_trip_ms: 2 },
				price: { per: "gpu_second", usd: 0.00019 },
				replicas: replicas("l4-embeddings"),
			},
		],
		routers: [{ id: "default", models: [CHAT_MODEL, MIDDLE_MODEL, LARGE_MODEL], quality_usd: 0.02 }],
	};
}

function largerModel(id: string, billions: number, card: string): CatalogInput["models"][number] {
	return {
		id,
		context_length: 131_072,
		capabilities: ["chat", "completions", "tools", "logprobs", "json"],
		parameters_billion: billions,
		card,
		released: "2024-07-23",
		licence: "llama3.1",
	};
}

/** A model of the commercial API, at one price for input and output. */
function apiPool(
	id: string,
	model: string,
	upstream: string,
	usd: number,
	replicas: CatalogInput["pools"][number]["replicas"],
): CatalogInput["pools"][number] {
	return {
		id,
		model,
		engine: "openai",
		upstream_model: upstream,
		place: { provider: "simulated", region: "eu-central", round_trip_ms: 80 },
		price: { per: "million_tokens", input: usd, output: usd },
		secret: "DEMO_API_KEY",
		replicas,
	};
}

/** How fast the simulated engines are, which are several times slower than the roofline of their GPUs. */
function ratesOf(profile: ProfileName) {
	const { prefillTokensPerSecond, stepSeconds, secondsPerSequence } = PROFILES[profile];
	return {
		prefill_tokens_per_second: prefillTokensPerSecond,
		seconds_per_output_token: stepSeconds + secondsPerSequence,
	};
}

/** Puts the demo's models, pools and routers into a catalog, in the place of older ones of the same ids; the rest stays. */
export function withDemo(catalog: CatalogInput, demo: CatalogInput): CatalogInput {
	return {
		...catalog,
		models: replaceById(catalog.models, demo.models),
		pools: replaceById(catalog.pools, demo.pools),
		routers: replaceById(catalog.routers ?? [], demo.routers ?? []),
	};
}

function replaceById<T extends { readonly id: string }>(old: readonly T[], fresh: readonly T[]): T[] {
	const ids = new Set(fresh.map((each) => each.id));
	return [...old.filter((each) => !ids.has(each.id)), ...fresh];
}
