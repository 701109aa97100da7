import { buildSnapshot, type CatalogModel } from "../../src/shared/catalog/snapshot.ts";
import { catalogSchema, type ScaleToZero } from "../../src/shared/catalog/schema.ts";
import type { EngineSpec } from "../replay/engine/spec.ts";
import type { StartKind } from "./start-times.ts";

/** A GPU of its own, or a pool of one worker that scales to zero. */
export interface PoolSpec {
	readonly id: string;
	readonly provider: string;
	/** The GPU's name in the catalog, from which ours takes its prior. */
	readonly gpu: string;
	readonly usdPerSecond: number;
	/** Null: it is reserved, always warm and paid for whether it works or not. */
	readonly zero: {
		readonly kind: ScaleToZero["kind"];
		/** Seconds without a request after which the provider stops it, if nobody asks for anything else. */
		readonly idleSeconds: number;
		readonly start: StartKind;
		/** While it starts, a request is answered 503 at once. */
		readonly refuses: boolean;
	} | null;
	/** Requests at once, as an operator would allow. */
	readonly concurrency: number;
	readonly engine: EngineSpec;
}

/** A commercial API: always there, whatever comes, paid by the token. */
export interface ApiSpec {
	readonly id: string;
	readonly usdPerInputToken: number;
	readonly usdPerOutputToken: number;
	/** Of the log-normal TTFT: its median and the standard deviation of its logarithm. */
	readonly ttftMedian: number;
	readonly ttftSigma: number;
	readonly secondsPerOutputToken: number;
}

export interface Fleet {
	readonly id: "three" | "five";
	readonly title: string;
	readonly pools: readonly PoolSpec[];
	readonly api: ApiSpec;
}

/** An own model of 8 billion parameters, at 8 bits where the GPU has them. Steps take the time in which the weights are read at
 *  70 % of the GPU's bandwidth, prompts half of its peak of floating point; KV memory is what the weights leave, in blocks of 512
 *  tokens of 128 kB. */
const COMMON = { stepTokens: 2_048, overheadSeconds: 0.05 };
const ON_L4: EngineSpec = {
	...COMMON,
	prefillTokensPerSecond: 5_000,
	stepSeconds: 0.038,
	stepSecondsPerSequence: 4e-4,
	stepSecondsPerContextToken: 3e-7,
	runningMax: 16,
	kvBlocks: 200,
};
const ON_L40S: EngineSpec = {
	...ON_L4,
	prefillTokensPerSecond: 15_000,
	stepSeconds: 0.0135,
	stepSecondsPerSequence: 3e-4,
	stepSecondsPerContextToken: 1e-7,
	runningMax: 32,
	kvBlocks: 560,
};
const ON_A100: EngineSpec = {
	...ON_L4,
	prefillTokensPerSecond: 10_000,
	stepSeconds: 0.0115,
	stepSecondsPerSequence: 2e-4,
	stepSecondsPerContextToken: 5e-8,
	runningMax: 64,
	kvBlocks: 1_000,
};

/** Prices: RunPod's flex workers by the second (2026-08-20), Hugging Face's endpoints by the hour (L40S x1, 2026-08-20), an L4 of
 *  RunPod by the hour (2026-06-01), Claude Haiku 4.5 by the token (2026-08-21). All in `data/prices`. */
const FLEX_L4: PoolSpec = {
	id: "flex-l4",
	provider: "runpod",
	gpu: "L4",
	usdPerSecond: 0.00019,
	zero: { kind: "runpod_queue", idleSeconds: 5, start: "process", refuses: false },
	concurrency: 16,
	engine: ON_L4,
};
const FLEX_A100: PoolSpec = {
	id: "flex-a100",
	provider: "runpod",
	gpu: "A100",
	usdPerSecond: 0.00076,
	zero: { kind: "runpod_queue", idleSeconds: 5, start: "process", refuses: false },
	concurrency: 64,
	engine: ON_A100,
};
/** Stands for a provider that keeps the weights where they load fastest, at the price of its neighbour. */
const SNAPSHOT_A100: PoolSpec = {
	...FLEX_A100,
	id: "snapshot-a100",
	provider: "snapshots",
	zero: { kind: "modal", idleSeconds: 60, start: "snapshot", refuses: false },
};
const ENDPOINT_L40S: PoolSpec = {
	id: "endpoint-l40s",
	provider: "huggingface",
	gpu: "L40S",
	usdPerSecond: 1.8 / 3_600,
	zero: { kind: "huggingface", idleSeconds: 3_600, start: "endpoint", refuses: true },
	concurrency: 32,
	engine: ON_L40S,
};
const RESERVED_L4: PoolSpec = {
	id: "reserved-l4",
	provider: "own",
	gpu: "L4",
	usdPerSecond: 0.39 / 3_600,
	zero: null,
	concurrency: 16,
	engine: ON_L4,
};
const API: ApiSpec = {
	id: "api",
	usdPerInputToken: 1e-6,
	usdPerOutputToken: 5e-6,
	ttftMedian: 0.5,
	ttftSigma: 0.35,
	secondsPerOutputToken: 0.008,
};

export const FLEETS: readonly Fleet[] = [
	{ id: "three", title: "flex L4, flex A100, API", pools: [FLEX_L4, FLEX_A100], api: API },
	{
		id: "five",
		title: "reserved L4, flex L4, endpoint L40S, snapshot A100, API",
		pools: [RESERVED_L4, FLEX_L4, ENDPOINT_L40S, SNAPSHOT_A100],
		api: API,
	},
];

export function fleetOf(id: Fleet["id"]): Fleet {
	return FLEETS.find((fleet) => fleet.id === id)!;
}

export function apiUsd({ usdPerInputToken, usdPerOutputToken }: ApiSpec, input: number, output: number): number {
	return input * usdPerInputToken + output * usdPerOutputToken;
}

export const MODEL_ID = "warmth";
export const ANSWER_TOKENS_MAX = 2_048;
const CONTEXT = 32_768;

/** The fleet as an operator would write it into a catalog: GPU types, prices and providers, no rates and no cold times. */
export function catalogOf({ pools, api }: Fleet): CatalogModel {
	const common = { model: MODEL_ID, engine: "vllm" };
	const catalog = catalogSchema.parse({
		models: [
			{
				id: MODEL_ID,
				context_length: CONTEXT,
				capabilities: ["chat"],
				parameters_billion: 8,
				bytes_per_parameter: 1,
				kv_bytes_per_token: 131_072,
			},
		],
		pools: [
			...pools.map(({ id, provider, gpu, usdPerSecond, zero, concurrency }) => ({
				...common,
				id,
				gpu: { type: gpu },
				place: { provider, region: id, round_trip_ms: 1 },
				price: zero ? { per: "gpu_second", usd: usdPerSecond } : { per: "gpu_hour", usd: usdPerSecond * 3_600 },
				max_concurrency: concurrency,
				...(zero && {
					scale_to_zero: {
						kind: zero.kind,
						idle_seconds: zero.idleSeconds,
						...(zero.kind === "huggingface" && { status_url: `http://${id}.test/status` }),
						...(zero.kind !== "modal" && { settings_url: `http://${id}.test/settings` }),
					},
				}),
				replicas: [{ id: "r", url: `http://${id}.test` }],
			})),
			{
				...common,
				id: api.id,
				engine: "openai",
				place: { provider: "api", region: "api", round_trip_ms: 1 },
				price: {
					per: "million_tokens",
					input: api.usdPerInputToken * 1e6,
					output: api.usdPerOutputToken * 1e6,
				},
				max_concurrency: 10_000,
				replicas: [{ id: "r", url: "http://api.test" }],
			},
		],
	});
	return buildSnapshot(1, catalog).models.get(MODEL_ID)!;
}
