import type { CatalogContext } from "../../../src/shared/catalog/checks.ts";
import type { Catalog, CatalogInput } from "../../../src/shared/catalog/schema.ts";
import { validateCatalog } from "../../../src/shared/catalog/validate.ts";

/** Two models; the first is served by GPUs paid by the second and by the hour, and by a commercial API. */
export function sampleInput(): CatalogInput & Record<string, unknown> {
	return {
		models: [
			{
				id: "llama-3.1-8b",
				aliases: ["llama"],
				context_length: 131_072,
				capabilities: ["chat", "completions", "tools", "json"],
				parameters_billion: 8,
			},
			{ id: "embed", context_length: 8_192, capabilities: ["embeddings"] },
		],
		pools: [
			{
				id: "l4",
				model: "llama-3.1-8b",
				engine: "vllm",
				upstream_model: "meta-llama/Llama-3.1-8B-Instruct",
				gpu: { type: "L4" },
				place: { provider: "gcp", region: "us-east1" },
				price: { per: "gpu_second", usd: 0.0002 },
				context_length: 32_768,
				capabilities: ["chat", "completions"],
				max_concurrency: 32,
				replicas: [
					{ id: "a", url: "http://10.0.0.1:8000" },
					{ id: "b", url: "http://10.0.0.2:8000/", max_concurrency: 8 },
				],
			},
			{
				id: "h100",
				model: "llama-3.1-8b",
				engine: "vllm",
				gpu: { type: "H100", count: 2 },
				place: { provider: "own", region: "eu-west" },
				price: { per: "gpu_hour", usd: 2.5 },
				replicas: [{ id: "a", url: "https://h100.example.com/base/" }],
			},
			{
				id: "api",
				model: "llama-3.1-8b",
				engine: "openai",
				place: { provider: "vendor", region: "us" },
				price: { per: "million_tokens", input: 0.07, output: 0.3, cached_input: 0.035 },
				secret: "VENDOR_KEY",
				replicas: [{ id: "main", url: "https://api.vendor.example/openai" }],
			},
			{
				id: "embed-api",
				model: "embed",
				engine: "openai",
				place: { provider: "vendor", region: "us" },
				price: { per: "million_tokens", input: 0.01, output: 0 },
				secret: "VENDOR_KEY",
				replicas: [{ id: "main", url: "https://api.vendor.example/openai" }],
			},
		],
	};
}

export const CONTEXT: CatalogContext = {
	ownHosts: ["gateway.example.com"],
	hasSecret: (name) => name === "VENDOR_KEY",
	isSendable: () => true,
	knownGpu: (name) => ["L4", "H100"].includes(name),
};

export function sampleCatalog(): Catalog {
	const valid = validateCatalog(sampleInput(), CONTEXT);
	if (!valid.ok) throw new Error(valid.error.message);
	return valid.value.catalog;
}
