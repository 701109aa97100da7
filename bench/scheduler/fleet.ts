import type { CatalogInput } from "../../src/shared/catalog/schema.ts";
import type { AssignRequest } from "../../src/shared/scheduler/messages.ts";
import { assignRequest } from "../../test/support/assign-request.ts";

export const MODEL = "bench";
export const BLOCKS_PER_REPLICA = 15_625;
export const BLOCKS_PER_PROMPT = 40;
/** A full chain and some bytes of a block that is not full. */
const PROMPT_BYTES = BLOCKS_PER_PROMPT * 512 + 220;

/** Four types of GPU with the same memory and different speeds. */
const GPUS = ["H100", "H100-PCIe", "A100-80GB", "A100-80GB-PCIe"] as const;

/** A model whose KV cache at 28 KB a token lets each of these GPUs hold 2 million tokens, or 15,625 blocks of 512 bytes. */
export function catalogOf(replicas: number): CatalogInput {
	return {
		models: [
			{
				id: MODEL,
				context_length: 131_072,
				capabilities: ["chat"],
				parameters_billion: 8,
				kv_bytes_per_token: 28_000,
			},
		],
		pools: GPUS.map((type) => ({
			id: type.toLowerCase(),
			model: MODEL,
			engine: "vllm" as const,
			gpu: { type },
			place: { provider: "own", region: "here", round_trip_ms: 5 },
			price: { per: "gpu_hour" as const, usd: 2 },
			max_concurrency: 256,
			replicas: Array.from({ length: replicas / GPUS.length }, (_, i) => ({
				id: `r${i}`,
				url: `http://${type.toLowerCase()}-${i}.test`,
			})),
		})),
	};
}

export function requestOf(reservation: string, prefix: Uint32Array): AssignRequest {
	return assignRequest({ reservation, model: MODEL, promptBytes: PROMPT_BYTES, prefix });
}
